/** What a driven run's row and log get at each step: values only, so that the driver reads as a story. */
import { AppError, messageOf } from '../errors.ts'
import type { NewEvent } from '../event/event.ts'
import type { Redactor } from '../event/redactor.ts'
import { storableText } from '../event/storable.ts'
import { type DiffSummary, PHASE_PERCENT, type RunPhase } from '../run/run.ts'
import { type ClaimedRow, ended, UNLEASED } from '../run/run-queue.ts'
import type { Failure, TurnOutcome } from '../runner/port.ts'
import type { Sandbox } from '../sandbox/port.ts'
import { failureOf, type TurnEnd } from './turn-end.ts'

export const stoppedBeforeStart: TurnOutcome = {
  kind: 'stopped',
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheCreationTokens: 0, totalCostUsd: null },
  sessionId: null,
}

export const stopped: TurnEnd = {
  status: 'cancelled',
  phase: 'completed',
  approvalState: 'none',
  failure: null,
  reason: 'stopped',
}

export const failed = (failure: Failure): TurnEnd => ({
  status: 'failed',
  phase: 'completed',
  approvalState: 'none',
  failure,
  reason: failure.code,
})

/** What the earlier turns or attempts of a run did is gone, and its profile does not want it to go on so. */
export class SandboxLost extends Error {
  constructor(id: string) {
    super(`Sandbox ${id} is gone with what the agent did in it, and the profile says on_lost: fail.`)
    this.name = 'SandboxLost'
  }
}

export function failureFrom(error: unknown): Failure {
  if (error instanceof SandboxLost) return failureOf('sandbox_lost', error.message)
  const isSandbox = error instanceof AppError && error.code.startsWith('SANDBOX_')
  if (isSandbox) return failureOf('sandbox_error', error.message)
  if (error instanceof AppError) return { ...failureOf('internal', error.message), recovery: 'fix_input' }
  return failureOf('internal', messageOf(error))
}

export const endPatch = (end: TurnEnd) =>
  end.status === 'needs_review'
    ? { ...UNLEASED, status: end.status, phase: end.phase, approval_state: end.approvalState }
    : { ...ended(end.failure), status: end.status, phase: end.phase, approval_state: end.approvalState }

export const diffPatch = (diff: DiffSummary | null) =>
  diff && {
    diff_digest: diff.digest,
    diff_files: diff.files,
    diff_additions: diff.additions,
    diff_deletions: diff.deletions,
  }

/** What the program said about itself, without known secrets: it goes into the run's row and its answers. */
export function maskOutcome(outcome: TurnOutcome, redactor: Redactor): TurnOutcome {
  switch (outcome.kind) {
    case 'completed':
      return { ...outcome, summary: storableText(outcome.summary, redactor) }
    case 'failed':
      return { ...outcome, failure: maskFailure(outcome.failure, redactor) }
    case 'stopped':
      return outcome
  }
}

export const maskFailure = (failure: Failure, redactor: Redactor): Failure => ({
  ...failure,
  message: storableText(failure.message, redactor),
  stderrTail: failure.stderrTail && storableText(failure.stderrTail, redactor),
})

/** Usage adds up over the turns of a run. */
export function outcomePatch(row: ClaimedRow, outcome: TurnOutcome) {
  const { usage, sessionId } = outcome
  const cost =
    usage.totalCostUsd === null ? row.total_cost_usd : (row.total_cost_usd ?? 0) + usage.totalCostUsd
  return {
    session_id: sessionId ?? row.session_id,
    input_tokens: row.input_tokens + usage.inputTokens,
    output_tokens: row.output_tokens + usage.outputTokens,
    cache_read_tokens: row.cache_read_tokens + usage.cacheReadTokens,
    cache_creation_tokens: row.cache_creation_tokens + usage.cacheCreationTokens,
    total_cost_usd: cost,
    ...(outcome.kind === 'completed' && {
      summary: JSON.stringify({
        description: outcome.summary.slice(0, 16_384),
        tokensUsed: usage.inputTokens + usage.outputTokens,
        turnsUsed: outcome.turnsUsed,
        costEstimate: usage.totalCostUsd,
      }),
    }),
  }
}

/**
 * Back to the queue, to start the turn over. A sandbox that was used is left behind (cleanup removes it) and a new
 * one is made; one that was perhaps made but not written down is found again by its key.
 */
export const startOverPatch = (
  row: ClaimedRow,
  how: { readonly counts: boolean; readonly hasSandbox: boolean },
) =>
  ({
    ...goOnPatch(row, how),
    sandbox_generation: row.sandbox_generation + (how.hasSandbox ? 1 : 0),
    sandbox_id: null,
    session_id: null,
  }) as const

/**
 * Back to the queue, to go on where it stopped: same sandbox, same session.
 * @param how.counts false: nobody lost it  @param how.keepsProgress it came further, so counting begins anew
 */
export const goOnPatch = (
  row: ClaimedRow,
  how: { readonly counts: boolean; readonly keepsProgress?: boolean },
) =>
  ({
    ...UNLEASED,
    status: 'pending',
    phase: 'queued',
    ...(!how.counts && { turn_attempt: Math.max(row.turn_attempt - 1, 0) }),
    ...(how.keepsProgress && { turn_attempt: 0 }),
  }) as const

export const progressEvent = (phase: RunPhase): NewEvent => ({
  payload: { progress: { phase, percent_complete: PHASE_PERCENT[phase], current_action: null } },
  synthetic: true,
})

export const sandboxAwayEvent = (why: string): NewEvent => ({
  payload: { log: { level: 'warn', message: `waiting for the sandbox service: ${why}` } },
  synthetic: true,
})

/** What became of the sandbox that earlier turns or attempts worked in, and which one it is now. */
export function sandboxOpenedEvents(
  row: Pick<ClaimedRow, 'sandbox_id' | 'sandbox_generation'>,
  sandbox: Sandbox,
): NewEvent[] {
  const { sandbox_id: before, sandbox_generation: generation } = row
  const said = (action: string, id: string) => sandboxEvent(action, id, generation, sandbox.driver)
  if (before === sandbox.id) return [said('reopened', sandbox.id)]
  return [...(before === null ? [] : [said('lost', before)]), said('created', sandbox.id)]
}

const sandboxEvent = (action: string, id: string, generation: number, driver: string): NewEvent => ({
  payload: { sandbox: { action, sandbox_id: id, generation, driver, detail: null } },
  synthetic: true,
})
