/** The sandboxes of runs: which there are, and which nobody needs any more. */
import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../db/tables.ts'

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

/** A run that failed or was stopped can be gone on with, and its sandbox may hold the only copy of the work. */
export const UNFINISHED_KEPT = '7 days'

/**
 * Sandboxes nobody needs: of generations that were left behind, of runs that were decided about or deleted, and of
 * runs that came to no good end long ago. Index run_sandboxes_left.
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
        eb('runs.deleted_at', 'is not', null),
        eb('runs.ended_at', '<', sql<Date>`now() - ${UNFINISHED_KEPT}::interval`),
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
    .where('runs.deleted_at', 'is', null)
    .orderBy('run_sandboxes.created_at')
    .limit(20)
    .execute()
  return rows.map((row) => ({ runId: row.id, turn: row.turn, sandboxId: row.sandbox_id }))
}

/**
 * Takes a sandbox away from its run before it goes, so that nobody goes on in it: the run's row is locked, as
 * `continue` locks it.
 * @returns false: the run needs it again
 */
export async function takeSandbox(
  tx: Db,
  left: { readonly runId: string; readonly generation: number; readonly isFinal: boolean },
): Promise<boolean> {
  const run = await tx
    .selectFrom('runs')
    .select(['ended_at', 'sandbox_generation'])
    .where('id', '=', left.runId)
    .forUpdate()
    .executeTakeFirst()
  const isNeeded = run?.ended_at === null && run.sandbox_generation === left.generation
  if (isNeeded) return false
  await setDeleted(tx, left, sql<Date>`now()`)
  return true
}

/** It could not be removed: it is still there to be tried again. */
export const giveSandboxBack = (
  db: Db,
  left: { readonly runId: string; readonly generation: number },
): Promise<void> => setDeleted(db, left, null)

async function setDeleted(
  db: Db,
  left: { readonly runId: string; readonly generation: number },
  at: RawBuilder<Date> | null,
): Promise<void> {
  await db
    .updateTable('run_sandboxes')
    .set({ deleted_at: at })
    .where('run_id', '=', left.runId)
    .where('generation', '=', left.generation)
    .execute()
}

/** What of a run decides whether a sandbox is still needed. */
export interface SandboxHolder {
  readonly isFinal: boolean
  readonly generation: number
  /** Sandboxes of its present generation that were not taken away from it. */
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
      .select(['run_sandboxes.sandbox_id as recorded_id', 'run_sandboxes.deleted_at'])
      .where('runs.id', 'in', ids.slice(at, at + RUNS_AT_ONCE))
      .execute()
    for (const row of rows) {
      found.set(row.id, {
        isFinal: row.ended_at !== null,
        generation: row.sandbox_generation,
        sandboxIds:
          row.deleted_at === null ? [row.sandbox_id, row.recorded_id].filter((id) => id !== null) : [],
      })
    }
  }
  return found
}
