/**
 * SQL of those who watch many runs: which runs there are, which of them moved. Transactions that are still open
 * are not seen, so every look goes `ROSTER_MARGIN_MS` further back than the last one: a transaction of the service
 * is over long before that (pool.ts bounds its statements and its idleness).
 */
import { sql } from 'kysely'
import type { Db } from '../db/tables.ts'
import { isFinal, type RunStatus, UNFINISHED_STATUSES } from '../run/run.ts'
import type { RunFacts, RunSelection } from './run-selection.ts'

export const ROSTER_MARGIN_MS = 30_000
const PAGE = 5000
/** Runs that finished within the margin; more than any service finishes. */
const MAX_JUST_FINISHED = 10_000

const margin = sql`make_interval(secs => ${ROSTER_MARGIN_MS / 1000})`

/** In words that the planner knows the index by. */
const unfinished = sql`status IN (${sql.join(UNFINISHED_STATUSES.map((status) => sql.lit(status)))})`

export interface RosterRow extends RunFacts {
  readonly id: string
  readonly lastSeq: number
}

export interface SnapshotRow extends RosterRow {
  readonly status: RunStatus
  readonly isFinished: boolean
  readonly pendingInteractions: number
}

export interface Snapshot {
  /** Of the database, as it was when the snapshot was taken. */
  readonly now: Date
  /** Unfinished ones, those that finished within the margin, and the named ones that match. */
  readonly runs: readonly SnapshotRow[]
}

interface Row {
  readonly now: Date
  readonly id: string | null
  readonly task_id: string
  readonly tag: string
  readonly created_at: Date
  readonly last_seq: number
}

function condition(selection: RunSelection) {
  switch (selection.kind) {
    case 'all':
      return sql`true`
    case 'task':
      return sql`task_id = ${selection.taskId}`
    case 'tag':
      return sql`starts_with(tag, ${selection.prefix})`
  }
}

/**
 * What a new watcher starts from, in one look. Indexes runs_unfinished, runs_settled, primary key.
 * @param limit unfinished runs to be listed at most; one more is read, so that the caller sees that there are more
 */
export async function rosterSnapshot(
  db: Db,
  selection: RunSelection,
  named: readonly string[],
  limit: number,
): Promise<Snapshot> {
  const wanted = condition(selection)
  const { rows } = await sql<Row & { status: RunStatus; pending_interactions: number }>`
    WITH wanted AS (
      (SELECT id FROM agent_manager.runs WHERE ${unfinished} AND ${wanted} LIMIT ${limit + 1})
      UNION
      (SELECT id FROM agent_manager.runs WHERE settled_at > now() - ${margin} AND ${wanted} LIMIT ${MAX_JUST_FINISHED})
      UNION
      (SELECT id FROM agent_manager.runs WHERE id = ANY(${[...named]}::uuid[]) AND ${wanted})
    )
    SELECT now() AS now, id, task_id, tag, created_at, last_seq, status, pending_interactions
    FROM (SELECT) one LEFT JOIN (wanted JOIN agent_manager.runs USING (id)) ON true
    ORDER BY created_at, id`.execute(db)
  return {
    now: nowOf(rows),
    runs: rows.flatMap((row) =>
      row.id === null
        ? []
        : {
            ...toRosterRow(row, row.id),
            status: row.status,
            isFinished: isFinal(row.status),
            pendingInteractions: row.pending_interactions,
          },
    ),
  }
}

/**
 * Runs that moved since a look at `since`, the margin included; some may not have. Indexes runs_unfinished,
 * runs_settled.
 * @returns `now` to go on from; `from` back to where this look went
 */
export async function changedRuns(
  db: Db,
  since: Date,
): Promise<{ now: Date; from: Date; runs: readonly RosterRow[] }> {
  const from = new Date(since.getTime() - ROSTER_MARGIN_MS)
  const runs: RosterRow[] = []
  let now: Date | null = null
  for (let after: string | null = null; ; ) {
    const rows: Row[] = await changedPage(db, from, after)
    now ??= nowOf(rows)
    const page = rows.flatMap((row) => (row.id === null ? [] : toRosterRow(row, row.id)))
    runs.push(...page)
    if (page.length < PAGE) return { now, from, runs }
    after = page.at(-1)?.id ?? null
  }
}

async function changedPage(db: Db, from: Date, after: string | null): Promise<Row[]> {
  const above = after === null ? sql`` : sql`AND id > ${after}`
  const columns = sql`id, task_id, tag, created_at, last_seq`
  const { rows } = await sql<Row>`
    SELECT now() AS now, id, task_id, tag, created_at, last_seq
    FROM (SELECT) one LEFT JOIN (
      (SELECT ${columns} FROM agent_manager.runs WHERE ${unfinished} AND updated_at > ${from} ${above}
       ORDER BY id LIMIT ${PAGE})
      UNION
      (SELECT ${columns} FROM agent_manager.runs WHERE settled_at > ${from} ${above} ORDER BY id LIMIT ${PAGE})
      ORDER BY id LIMIT ${PAGE}
    ) moved ON true
    ORDER BY id`.execute(db)
  return rows
}

/** The number of the last event of a run that was written by a time; 0 for none. Primary key, from its end. */
export async function lastSeqAt(db: Db, runId: string, at: Date): Promise<number> {
  const row = await db
    .selectFrom('run_events')
    .select('seq')
    .where('run_id', '=', runId)
    .where('created_at', '<=', at)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.seq ?? 0
}

function nowOf(rows: readonly { readonly now: Date }[]): Date {
  const [first] = rows
  if (!first) throw new Error('a look at the roster always returns a row')
  return first.now
}

const toRosterRow = (row: Row, id: string): RosterRow => ({
  id,
  taskId: row.task_id,
  tag: row.tag,
  createdAt: row.created_at,
  lastSeq: row.last_seq,
})
