/** How many runs are in which status, for whoever asks often: one question at a time, rarely enough to cost nothing. */
import { sql } from 'kysely'
import type { Db } from '../db/tables.ts'
import type { RunStatus } from './run.ts'

/** Statuses outside the queue are counted among this many newest runs: a count of all grows with the table. */
const NEWEST = 10_000
const FRESH_MS = 5_000
/** The question takes this share of the time at most, however long it takes. */
const COST = 0.05

export type StatusCounts = ReadonlyMap<RunStatus, number>

/** Indexes runs_pending, runs_driven, runs_newest. */
export async function countRuns(db: Db): Promise<StatusCounts> {
  const { rows } = await sql<{ status: RunStatus; n: number }>`
    SELECT 'pending' AS status, count(*) AS n FROM agent_manager.runs WHERE status = 'pending'
    UNION ALL
    SELECT status, count(*) FROM agent_manager.runs WHERE status IN ('starting', 'running') GROUP BY status
    UNION ALL
    SELECT status, count(*)
    FROM (SELECT status FROM agent_manager.runs ORDER BY created_at DESC, id DESC LIMIT ${NEWEST}) AS newest
    WHERE status NOT IN ('pending', 'starting', 'running') GROUP BY status`.execute(db)
  const all: readonly RunStatus[] = [
    'pending',
    'starting',
    'running',
    'needs_review',
    'complete',
    'failed',
    'cancelled',
  ]
  const counted = new Map(rows.map(({ status, n }) => [status, n]))
  return new Map(all.map((status) => [status, counted.get(status) ?? 0]))
}

/** Null while the database does not tell. Never rejects, and never waits longer than `waitMs`. */
export function cachedCounts(
  read: () => Promise<StatusCounts>,
  waitMs = 1000,
): () => Promise<StatusCounts | null> {
  let known: StatusCounts | null = null
  let asking: Promise<StatusCounts | null> | null = null
  let freshUntil = Number.NEGATIVE_INFINITY
  const ask = async (): Promise<StatusCounts | null> => {
    const startedAt = performance.now()
    try {
      known = await read()
    } catch {
      known = null // no sample says so; why is told by health and by whoever needed the database
    }
    const tookMs = performance.now() - startedAt
    freshUntil = performance.now() + Math.max(FRESH_MS, tookMs / COST)
    asking = null
    return known
  }
  return () => {
    if (performance.now() < freshUntil) return Promise.resolve(known)
    asking ??= ask()
    const { promise: late, resolve } = Promise.withResolvers<null>()
    const timer = setTimeout(() => resolve(null), waitMs)
    return Promise.race([asking, late]).finally(() => clearTimeout(timer))
  }
}
