/** Keyset pages in SQL, by (created_at, id), and totals that cost the same however much there is. */
import { type Expression, type SqlBool, sql } from 'kysely'
import { AppError } from '../errors.ts'
import type { Page, PageRequest } from '../page.ts'
import type { Db } from './tables.ts'

type Listed = 'runs' | 'tasks' | 'profiles' | 'run_inputs'

/** Counting stops here; beyond it the total is what the planner believes. */
export const EXACT_TOTAL = 10_000

/** Where a row stands in its list: to be selected as `cursor`. Microseconds, which a Date would lose. */
export const cursorOf = (table: Listed) =>
  sql<string>`to_char(${sql.ref(`${table}.created_at`)} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '_' || ${sql.ref(`${table}.id`)}`

/** The rows after a page's last one; all where the page is the first. @throws VALIDATION_FIELD for a foreign token */
export function afterPage(
  table: Listed,
  token: PageRequest['after'],
  order: 'newest first' | 'oldest first' = 'newest first',
) {
  if (token === null) return sql<SqlBool>`true`
  const { createdAt, id } = readToken(token)
  const beyond = order === 'newest first' ? sql`<` : sql`>`
  return sql<SqlBool>`(${sql.ref(`${table}.created_at`)}, ${sql.ref(`${table}.id`)}) ${beyond} (${createdAt}::timestamptz, ${id}::uuid)`
}

const TOKEN =
  /^(\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{6}Z)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

function readToken(token: string): { createdAt: string; id: string } {
  const [, createdAt, id] = TOKEN.exec(Buffer.from(token, 'base64url').toString()) ?? []
  if (createdAt === undefined || id === undefined || !isDate(createdAt)) throw foreignToken()
  return { createdAt, id }
}

/** No 31st of February: Postgres would refuse it as our fault. */
function isDate(text: string): boolean {
  const date = new Date(text)
  return !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 19) === text.slice(0, 19)
}

/** What a page_token that we did not make is answered with. */
export function foreignToken(): AppError {
  const message = 'is not a next_page_token of this list; start without it'
  return new AppError('VALIDATION_FIELD', `page_token: ${message}.`, {
    faults: [{ field: 'page_token', rule: 'format', message }],
  })
}

/**
 * The page out of rows that were read with a limit of `size + 1`.
 * @param list.matching all rows of the list, whatever page they are on
 */
export async function toPage<R extends { readonly cursor: string }, T>(
  db: Db,
  list: { readonly table: Listed; readonly size: number; readonly matching: Expression<unknown> },
  rows: readonly R[],
  view: (row: NoInfer<R>) => T,
): Promise<Page<T>> {
  const shown = rows.slice(0, list.size)
  const last = shown.at(-1)
  const { total, totalExact } = await countUpTo(db, list.table, list.matching)
  return {
    items: shown.map((row) => view(row)),
    total,
    totalExact,
    next: rows.length > list.size && last ? Buffer.from(last.cursor).toString('base64url') : null,
  }
}

async function countUpTo(
  db: Db,
  table: Listed,
  matching: Expression<unknown>,
): Promise<{ total: number; totalExact: boolean }> {
  const counted = await sql<{ n: number }>`
    SELECT count(*) AS n FROM (SELECT FROM (${matching}) AS matching LIMIT ${EXACT_TOTAL + 1}) AS counted`.execute(
    db,
  )
  const n = counted.rows[0]?.n ?? 0
  if (n <= EXACT_TOTAL) return { total: n, totalExact: true }
  const { rows } = await sql<{ n: number }>`
    SELECT greatest(reltuples, ${EXACT_TOTAL + 1})::bigint AS n FROM pg_class WHERE oid = ${`agent_manager.${table}`}::regclass`.execute(
    db,
  )
  return { total: rows[0]?.n ?? n, totalExact: false }
}
