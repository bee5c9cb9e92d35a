/** All SQL of runs but the log's (event-store.ts) and the engine's queue (run-queue.ts). */
import { type SqlBool, sql } from 'kysely'
import { afterPage, cursorOf, toPage } from '../db/pages.ts'
import type { Db } from '../db/tables.ts'
import type { Page, PageRequest } from '../page.ts'
import type { ConfigSources, Run, RunConfig, RunFilter, RunMode } from './run.ts'
import { toRun } from './run-row.ts'

export interface RunInsert {
  readonly id: string
  readonly taskId: string
  readonly profile: { readonly id: string; readonly version: number } | null
  readonly tag: string
  readonly mode: RunMode
  readonly config: RunConfig
  readonly sources: ConfigSources
  readonly idempotencyKey: string | null
  readonly requestDigest: string
  readonly inputId: string
  readonly prompt: string
  readonly retryOf: string | null
  readonly forkOf: Run['forkOf']
}

/** The run and its first input. False: the run is there already. Call in a transaction. */
export async function insertRun(tx: Db, run: RunInsert): Promise<boolean> {
  if (run.idempotencyKey !== null) await releaseKey(tx, run.idempotencyKey, run.id)
  const inserted = await tx
    .insertInto('runs')
    .values({
      id: run.id,
      task_id: run.taskId,
      profile_id: run.profile?.id ?? null,
      profile_version: run.profile?.version ?? null,
      tag: run.tag,
      mode: run.mode,
      status: 'pending',
      phase: 'queued',
      config: JSON.stringify(run.config),
      config_sources: JSON.stringify(run.sources),
      idempotency_key: run.idempotencyKey,
      request_digest: run.requestDigest,
      retry_of: run.retryOf,
      fork_of: run.forkOf?.runId ?? null,
      fork_turn: run.forkOf?.turn ?? null,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!inserted) return false
  await tx
    .insertInto('run_inputs')
    .values({
      id: run.inputId,
      run_id: run.id,
      turn: 1,
      source: 'prompt',
      delivery: 'queue',
      status: 'queued',
      content: run.prompt,
    })
    .execute()
  return true
}

/**
 * Whose key it is now was decided before (internal/idempotency): an older run, of a day ago or of another caller,
 * shows it no more.
 */
const releaseKey = (tx: Db, key: string, id: string): Promise<unknown> =>
  tx
    .updateTable('runs')
    .set({ idempotency_key: null })
    .where('idempotency_key', '=', key)
    .where('id', '!=', id)
    .execute()

export async function findRun(db: Db, id: string): Promise<Run | null> {
  const row = await db
    .selectFrom('runs')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  return row ? toRun(row) : null
}

/** The newest run of exactly this tag. Index runs_of_tag. */
export async function findRunByTag(db: Db, tag: string): Promise<Run | null> {
  const row = await db
    .selectFrom('runs')
    .selectAll()
    .where('tag', '=', tag)
    .where('deleted_at', 'is', null)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? toRun(row) : null
}

/** Newest first, by keyset (created_at, id). Index runs_newest or runs_of_task. */
export async function listRuns(db: Db, filter: RunFilter, page: PageRequest): Promise<Page<Run>> {
  const matching = db.selectFrom('runs').where(filterCondition(filter))
  const rows = await matching
    .selectAll()
    .select(cursorOf('runs').as('cursor'))
    .where(afterPage('runs', page.after))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .offset(page.offset)
    .limit(page.size + 1)
    .execute()
  return toPage(db, { table: 'runs', size: page.size, matching: matching.select('id') }, rows, toRun)
}

function filterCondition(filter: RunFilter) {
  const parts = [
    sql<SqlBool>`deleted_at IS NULL`,
    filter.status === null ? null : sql<SqlBool>`status = ${filter.status}`,
    filter.taskId === null ? null : sql<SqlBool>`task_id = ${filter.taskId}`,
    filter.profileId === null ? null : sql<SqlBool>`profile_id = ${filter.profileId}`,
    filter.tagPrefix === null ? null : sql<SqlBool>`starts_with(tag, ${filter.tagPrefix})`,
  ].filter((part) => part !== null)
  return sql<SqlBool>`${sql.join(parts, sql` AND `)}`
}

/** Writes down that a driven run shall stop; its owner ends it. Null: it is not driven (any more). */
export async function requestStop(db: Db, id: string, actor: string): Promise<Run | null> {
  const row = await db
    .updateTable('runs')
    .set({
      stop_requested_at: sql<Date>`coalesce(stop_requested_at, now())`,
      stop_requested_by: sql<string>`coalesce(stop_requested_by, ${actor})`,
    })
    .where('id', '=', id)
    .where('status', 'in', ['starting', 'running'])
    .returningAll()
    .executeTakeFirst()
  return row ? toRun(row) : null
}

/** Writes down that the running turn shall end. Null: no turn runs. */
export async function requestInterrupt(db: Db, id: string, actor: string): Promise<Run | null> {
  const row = await db
    .updateTable('runs')
    .set({ interrupt_turn: sql<number>`turn`, interrupt_by: actor })
    .where('id', '=', id)
    .where('status', 'in', ['starting', 'running'])
    .returningAll()
    .executeTakeFirst()
  return row ? toRun(row) : null
}

/** The counters of these runs, for watchers. */
export async function lastSeqs(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('runs')
    .select(['id', 'last_seq'])
    .where('id', 'in', [...ids])
    .execute()
  return new Map(rows.map((row) => [row.id, row.last_seq]))
}
