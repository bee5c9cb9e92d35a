/** The rows around a driven run: its inputs and its sandboxes. */
import { sql } from 'kysely'
import type { Db, RunInputsTable } from '../db/tables.ts'

export async function queuedInput(
  db: Db,
  runId: string,
  turn: number,
): Promise<Pick<RunInputsTable, 'id' | 'content' | 'delivery' | 'source'> | null> {
  const row = await db
    .selectFrom('run_inputs')
    .select(['id', 'content', 'delivery', 'source'])
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .where('status', '=', 'queued')
    .orderBy('created_at')
    .limit(1)
    .executeTakeFirst()
  return row ?? null
}

export async function deliverInput(tx: Db, id: string): Promise<void> {
  await tx
    .updateTable('run_inputs')
    .set({ status: 'delivered', delivered_at: sql<Date>`now()` })
    .where('id', '=', id)
    .execute()
}

/** What a cut turn was told is told again by the next attempt. */
export async function requeueInputs(tx: Db, runId: string, turn: number): Promise<void> {
  await tx
    .updateTable('run_inputs')
    .set({ status: 'queued', delivered_at: null })
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .where('status', '=', 'delivered')
    .execute()
}

export async function recordSandbox(
  tx: Db,
  runId: string,
  generation: number,
  sandboxId: string,
): Promise<void> {
  await tx
    .insertInto('run_sandboxes')
    .values({ run_id: runId, generation, sandbox_id: sandboxId })
    .onConflict((conflict) =>
      conflict.columns(['run_id', 'generation']).doUpdateSet({ sandbox_id: sandboxId, deleted_at: null }),
    )
    .execute()
}

/** A sandbox whose changes could not be read when its run ended holds the only copy of the work. */
const UNREAD_KEPT = '7 days'

/**
 * Sandboxes nobody needs: of generations that were left behind, and of finished runs whose changes are stored
 * (or were kept unread for long enough). Index run_sandboxes_left.
 */
export async function leftSandboxes(
  db: Db,
): Promise<{ runId: string; generation: number; sandboxId: string; isFinal: boolean }[]> {
  const rows = await db
    .selectFrom('run_sandboxes')
    .innerJoin('runs', 'runs.id', 'run_sandboxes.run_id')
    .select(['run_sandboxes.run_id', 'run_sandboxes.generation', 'run_sandboxes.sandbox_id', 'runs.ended_at'])
    .where('run_sandboxes.deleted_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb('runs.status', '=', 'complete'),
        eb.and([eb('runs.ended_at', 'is not', null), eb('runs.diff_digest', 'is not', null)]),
        eb('runs.ended_at', '<', sql<Date>`now() - ${UNREAD_KEPT}::interval`),
        eb('run_sandboxes.generation', '<', eb.ref('runs.sandbox_generation')),
      ]),
    )
    .orderBy('run_sandboxes.created_at')
    .limit(100)
    .execute()
  return rows.map((row) => ({
    runId: row.run_id,
    generation: row.generation,
    sandboxId: row.sandbox_id,
    isFinal: row.ended_at !== null,
  }))
}

/** Sandboxes of ended runs whose changes were never stored. Index run_sandboxes_left. */
export async function unreadSandboxes(db: Db): Promise<{ runId: string; turn: number; sandboxId: string }[]> {
  const rows = await db
    .selectFrom('run_sandboxes')
    .innerJoin('runs', (join) =>
      join
        .onRef('runs.id', '=', 'run_sandboxes.run_id')
        .onRef('runs.sandbox_generation', '=', 'run_sandboxes.generation'),
    )
    .select(['runs.id', 'runs.turn', 'run_sandboxes.sandbox_id'])
    .where('run_sandboxes.deleted_at', 'is', null)
    .where('runs.status', 'in', ['failed', 'cancelled'])
    .where('runs.diff_digest', 'is', null)
    .orderBy('run_sandboxes.created_at')
    .limit(20)
    .execute()
  return rows.map((row) => ({ runId: row.id, turn: row.turn, sandboxId: row.sandbox_id }))
}

export async function markSandboxDeleted(db: Db, runId: string, generation: number): Promise<void> {
  await db
    .updateTable('run_sandboxes')
    .set({ deleted_at: sql<Date>`now()` })
    .where('run_id', '=', runId)
    .where('generation', '=', generation)
    .execute()
}

/** What of a run decides whether a sandbox is still needed. */
export interface SandboxHolder {
  readonly isFinal: boolean
  readonly generation: number
  /** Sandboxes of its present generation. */
  readonly sandboxIds: readonly string[]
}

const RUNS_AT_ONCE = 1000

/** Those of these runs that exist, finished or not. Primary keys of runs and run_sandboxes. */
export async function knownRuns(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, SandboxHolder>> {
  const found = new Map<string, SandboxHolder>()
  for (let at = 0; at < ids.length; at += RUNS_AT_ONCE) {
    const rows = await db
      .selectFrom('runs')
      .leftJoin('run_sandboxes', (join) =>
        join
          .onRef('run_sandboxes.run_id', '=', 'runs.id')
          .onRef('run_sandboxes.generation', '=', 'runs.sandbox_generation'),
      )
      .select(['runs.id', 'runs.ended_at', 'runs.sandbox_generation', 'runs.sandbox_id'])
      .select('run_sandboxes.sandbox_id as recorded_id')
      .where('runs.id', 'in', ids.slice(at, at + RUNS_AT_ONCE))
      .execute()
    for (const row of rows) {
      found.set(row.id, {
        isFinal: row.ended_at !== null,
        generation: row.sandbox_generation,
        sandboxIds: [row.sandbox_id, row.recorded_id].filter((id) => id !== null),
      })
    }
  }
  return found
}
