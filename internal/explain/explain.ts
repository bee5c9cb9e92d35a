/** Why a run stands where it stands, and what to do next: decided from facts, pure. */
import { formatDuration } from '../duration.ts'
import type { Run, RunStatus } from '../run/run.ts'
import { checksOf } from './checks.ts'
import type { ExplainCheck, ExplainFacts } from './facts.ts'
import { nextStep } from './next-step.ts'

export interface Explanation {
  readonly runId: string
  readonly status: RunStatus
  readonly waitingOn: Run['waitingOn']
  readonly checks: readonly ExplainCheck[]
  readonly nextStep: string
  /** Until something changes by itself, as a duration; null: nobody can tell. */
  readonly estimate: string | null
}

export function explain(facts: ExplainFacts): Explanation {
  const { run } = facts
  return {
    runId: run.id,
    status: run.status,
    waitingOn: run.waitingOn,
    checks: checksOf(facts),
    nextStep: nextStep(facts),
    estimate: estimate(facts),
  }
}

function estimate({ run, now, interactions, queue, replica, usualMs }: ExplainFacts): string | null {
  const deadlines = interactions.map(({ deadlineAt }) => deadlineAt.getTime())
  if (deadlines.length > 0) return seconds(Math.min(...deadlines) - now.getTime())
  if (run.status !== 'pending' || !replica.isClaiming) return null
  const free = replica.places - replica.taken
  if (queue.ahead < free) return seconds(1000)
  if (usualMs === null) return null
  return seconds(Math.ceil((queue.ahead - free + 1) / replica.places) * usualMs)
}

const seconds = (ms: number): string => formatDuration(Math.ceil(Math.max(ms, 0) / 1000) * 1000)
