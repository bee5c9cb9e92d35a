/** What the end of a turn makes of it. */
import type { ExitStatus } from '../../../internal/launcher/port.ts'
import { failureOf } from '../../../internal/runner/failure.ts'
import type { Failure, TurnOutcome } from '../../../internal/runner/port.ts'
import { failureOfResult, isAborted } from './failure.ts'
import type { Ending, Turn } from './steps.ts'

type Ended = Pick<Turn, 'view' | 'settings' | 'answers' | 'request'>

/** The exit code never decides: an interrupt ends with 0, and a refused model call with 1. */
export function outcomeOf(turn: Ended, ending: Ending, status: ExitStatus | null): TurnOutcome {
  const { view, settings } = turn
  const base = { usage: view.ledger.usage, sessionId: settings.session.id }
  const failed = (failure: Failure): TurnOutcome => ({
    kind: 'failed',
    failure: { ...failure, stderrTail: settings.stderrEnds() },
    ...base,
  })
  switch (ending.kind) {
    case 'stopped':
      return { kind: 'stopped', ...base }
    case 'failed':
      return failed(ending.failure)
    case 'ended': {
      const how = { exitCode: status?.code ?? null, signal: status?.signal ?? null }
      return failed(failureOf('agent_crashed', 'claude-code ended without a result', how))
    }
    case 'result': {
      const { result } = ending
      const byRefusal = turn.answers.endedByRefusal && isAborted(result)
      const failure = byRefusal ? null : failureOfResult(result, view.apiError, turn.request.maxTurns)
      if (failure !== null) return failed(failure)
      const summary = view.lastText
      if (summary === '' && view.toolCalls === 0)
        return failed(failureOf('nothing_happened', 'the agent said and did nothing'))
      return { kind: 'completed', summary, turnsUsed: view.modelCalls, ...base }
    }
  }
}
