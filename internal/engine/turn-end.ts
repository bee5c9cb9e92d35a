/** How a turn's end becomes the run's next status: pure, so that every case can be read in one place. */
import {
  type ApprovalState,
  afterTurn,
  type DiffSummary,
  type RunMode,
  type RunPhase,
  type RunStatus,
} from '../run/run.ts'
import type { Failure, FailureCode, TurnOutcome } from '../runner/port.ts'
import type { AbortReason } from './abort.ts'

export interface TurnEnd {
  readonly status: Extract<RunStatus, 'needs_review' | 'complete' | 'failed' | 'cancelled'>
  readonly phase: RunPhase
  readonly approvalState: ApprovalState
  readonly failure: Failure | null
  readonly reason: string | null
}

/** Clients that are older than `failure.code` look for the word timeout. */
const TIMEOUTS = {
  wall_timeout: 'The turn took longer than its timeout.',
  idle_timeout: 'The agent gave no sign of life for too long (idle timeout).',
} as const

export function endOfTurn(facts: {
  readonly outcome: TurnOutcome
  readonly aborted: AbortReason | null
  readonly mode: RunMode
  readonly diff: DiffSummary | null
}): TurnEnd {
  const { outcome, aborted } = facts
  if (aborted === 'stop') return final('cancelled', null, 'stopped')
  if (aborted === 'wall_timeout' || aborted === 'idle_timeout') {
    return final('failed', failureOf(aborted, TIMEOUTS[aborted]), aborted)
  }
  if (aborted === 'interrupt') return atRest(facts, 'interrupted')
  switch (outcome.kind) {
    case 'failed':
      return final('failed', outcome.failure, outcome.failure.code)
    case 'stopped':
      return final(
        'failed',
        failureOf('agent_crashed', 'The agent stopped without being asked.'),
        'agent_crashed',
      )
    case 'completed':
      return atRest(facts, null)
  }
}

const atRest = (facts: { mode: RunMode; diff: DiffSummary | null }, reason: string | null): TurnEnd => ({
  ...afterTurn({ mode: facts.mode, changed: (facts.diff?.files ?? 0) > 0 }),
  failure: null,
  reason,
})

/** A failure that is ours to name. Timeouts and neighbours may do better next time; a bug will not. */
export function failureOf(code: FailureCode, message: string): Failure {
  const retryable = code !== 'internal'
  return {
    code,
    message,
    recovery: retryable ? 'retry_backoff' : 'escalate',
    retryable,
    exitCode: null,
    signal: null,
    stderrTail: null,
  }
}

const final = (status: 'failed' | 'cancelled', failure: Failure | null, reason: string): TurnEnd => ({
  status,
  phase: 'completed',
  approvalState: 'none',
  failure,
  reason,
})
