/** A new run that goes off from the end of a turn of another: its files, its conversation, its settings. */
import type { Db } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import { storableText } from '../event/storable.ts'
import { hasSnapshot } from '../snapshot/snapshot-store.ts'
import { endedTurn, type Run } from './run.ts'
import { admitAgain, type CopyDeps, type RunCopy } from './run-copy.ts'

export interface ForkRequest {
  /** What the agent is told first; null: to go on. */
  readonly message: string | null
  /** null: the last turn that is over. */
  readonly fromTurn: number | null
}

const GO_ON = 'Go on with the task from here.'

/**
 * @throws STATE_TRANSITION_INVALID before its first turn is over; VALIDATION_FIELD for a turn that is not;
 * STATE_NO_DIFF where its files were not kept; what admission finds
 */
export async function planFork(run: Run, request: ForkRequest, deps: CopyDeps): Promise<RunCopy> {
  const turn = await turnOf(run, request.fromTurn, deps.db)
  return {
    task: await admitAgain(run, deps),
    // It goes its own way: under the other's tag the other stays the newest.
    tag: null,
    prompt: storableText(request.message ?? GO_ON, deps.redactor),
    retryOf: null,
    forkOf: { runId: run.id, turn },
  }
}

async function turnOf(run: Run, wanted: number | null, db: Db): Promise<number> {
  const last = endedTurn(run)
  if (run.mode === 'in_place')
    throw new AppError('STATE_NO_DIFF', `Run ${run.id} worked in place: its files of then are not kept.`)
  if (last === 0) {
    throw new AppError(
      'STATE_TRANSITION_INVALID',
      `The first turn of run ${run.id} is not over: there is nothing to go off from yet.`,
    )
  }
  const turn = wanted ?? last
  if (turn > last) {
    const message = `from_turn ${turn} is not over; the last one that is over is ${last}.`
    throw new AppError('VALIDATION_FIELD', message, {
      faults: [{ field: 'from_turn', rule: 'max', message }],
    })
  }
  if (await hasSnapshot(db, run.id, turn)) return turn
  throw new AppError(
    'STATE_NO_DIFF',
    `The files of run ${run.id} at the end of turn ${turn} were not kept (it failed, or they were too many): name another from_turn.`,
  )
}
