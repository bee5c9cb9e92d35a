/** SQL of explaining a run: what its row does not say by itself. */
import { sql } from 'kysely'
import type { Db } from '../db/tables.ts'
import type { ExplainFacts } from './facts.ts'

type RowFacts = Pick<ExplainFacts, 'now' | 'lease' | 'stop' | 'interruptedBy'>

/** Who drives it and who wants it to end. Primary keys of runs and replicas. Null: there is no such run. */
export async function rowFacts(db: Db, runId: string): Promise<RowFacts | null> {
  const row = await db
    .selectFrom('runs')
    .leftJoin('replicas', 'replicas.id', 'runs.lease_owner')
    .select([
      'runs.lease_owner',
      'runs.lease_expires_at',
      'runs.last_heartbeat_at',
      'runs.stop_requested_at',
      'runs.stop_requested_by',
      'runs.interrupt_by',
      'replicas.host',
      'replicas.stopped_at',
      sql<boolean>`runs.interrupt_turn = runs.turn`.as('interrupts'),
      sql<Date>`now()`.as('now'),
    ])
    .where('runs.id', '=', runId)
    .executeTakeFirst()
  if (!row) return null
  const { lease_owner: owner, lease_expires_at: expiresAt, stop_requested_at: requestedAt } = row
  return {
    now: row.now,
    lease:
      owner === null || expiresAt === null
        ? null
        : {
            owner,
            host: row.host ?? 'unknown',
            expiresAt,
            heartbeatAt: row.last_heartbeat_at,
            isOwnerGone: row.stopped_at !== null,
          },
    stop: requestedAt && { requestedAt, by: row.stop_requested_by ?? 'somebody' },
    interruptedBy: row.interrupts ? (row.interrupt_by ?? 'somebody') : null,
  }
}

/** Counting stops here: further back nobody cares for the exact place. */
const MAX_COUNTED = 10_000

/** Its place in the queue, in the order of claimRun. Indexes runs_pending, runs_driven. */
export async function queueFacts(db: Db, runId: string): Promise<ExplainFacts['queue']> {
  const { rows } = await sql<{ ahead: number; driven: number }>`
    SELECT (SELECT count(*) FROM (
              SELECT 1 FROM agent_manager.runs other, agent_manager.runs own
               WHERE own.id = ${runId} AND other.status = 'pending' AND other.pending_interactions = 0
                 AND (other.created_at, other.id) < (own.created_at, own.id)
               LIMIT ${MAX_COUNTED}) before)::int AS ahead,
           (SELECT count(*) FROM agent_manager.runs WHERE status IN ('starting', 'running'))::int AS driven`.execute(
    db,
  )
  return rows[0] ?? { ahead: 0, driven: 0 }
}

const SAMPLE = 50
/** Fewer than this tell nothing. */
const MIN_SAMPLE = 5

/** The median of first turns among the newest runs, in milliseconds. Index runs_newest. */
export async function usualTurnMs(db: Db): Promise<number | null> {
  const { rows } = await sql<{ n: number; ms: number | null }>`
    SELECT count(took)::int AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS ms
      FROM (SELECT extract(epoch FROM CASE status WHEN 'needs_review' THEN updated_at ELSE ended_at END - started_at) * 1000 AS took
              FROM agent_manager.runs
             WHERE turn = 1 AND started_at IS NOT NULL
               AND (status = 'needs_review' OR (status IN ('complete', 'failed') AND approval_state = 'none'))
             ORDER BY created_at DESC, id DESC LIMIT ${SAMPLE}) turns`.execute(db)
  const row = rows[0]
  return row && row.n >= MIN_SAMPLE ? row.ms : null
}

/** The newest attempt to land the changes of this turn. Index approvals_of_run. */
export async function approvalFacts(db: Db, runId: string, turn: number): Promise<ExplainFacts['approval']> {
  const row = await db
    .selectFrom('approvals')
    .select(['state', 'actor', 'error', 'commit_hash'])
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { state: row.state, actor: row.actor, error: row.error, commitHash: row.commit_hash } : null
}

/** The sandbox of the present generation. Primary key. */
export async function sandboxRow(
  db: Db,
  runId: string,
  generation: number,
): Promise<{ id: string; removedAt: Date | null } | null> {
  const row = await db
    .selectFrom('run_sandboxes')
    .select(['sandbox_id', 'deleted_at'])
    .where('run_id', '=', runId)
    .where('generation', '=', generation)
    .executeTakeFirst()
  return row ? { id: row.sandbox_id, removedAt: row.deleted_at } : null
}
