/** SQL of ending and hiding runs in numbers: which can be stopped, and the one that is deleted. */
import { sql } from 'kysely'
import type { Db } from '../db/tables.ts'
import { invariant } from '../invariant.ts'
import { type RunStatus, UNFINISHED_STATUSES } from './run.ts'

/** The database's time to the microsecond, as text: a Date would cut it. */
export async function databaseTime(db: Db): Promise<string> {
  const { rows } = await sql<{ now: string }>`SELECT now()::text AS now`.execute(db)
  invariant(rows[0], 'SELECT now() returns a row')
  return rows[0].now
}

/** Ids in order, above `after`, of runs created until then. Index runs_unfinished. */
export async function stoppableRuns(
  db: Db,
  request: {
    readonly tagPrefix: string | null
    readonly until: string
    readonly after: string | null
    readonly limit: number
  },
): Promise<string[]> {
  const { tagPrefix, until, after, limit } = request
  let query = db
    .selectFrom('runs')
    .select('id')
    .where('status', 'in', UNFINISHED_STATUSES)
    .where(sql<boolean>`created_at <= ${until}::timestamptz`)
  if (after !== null) query = query.where('id', '>', after)
  if (tagPrefix !== null) query = query.where(sql<boolean>`starts_with(tag, ${tagPrefix})`)
  const rows = await query.orderBy('id').limit(limit).execute()
  return rows.map(({ id }) => id)
}

/** Locks the row. Null: there is no such run. */
export async function lockForDeletion(
  tx: Db,
  id: string,
): Promise<{ readonly status: RunStatus; readonly isDeleted: boolean } | null> {
  const row = await tx
    .selectFrom('runs')
    .select(['status', 'deleted_at'])
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  return row ? { status: row.status, isDeleted: row.deleted_at !== null } : null
}

/** The columns of a run that is shown no more; its idempotency key may be used again. */
export const deletedPatch = (actor: string) =>
  ({ deleted_at: sql<Date>`now()`, deleted_by: actor, idempotency_key: null }) as const
