/** Why a turn failed, in our codes: what usually follows from each. Pure. */
import type { Failure, FailureCode } from './port.ts'

interface Kind {
  readonly recovery: Failure['recovery']
  readonly retryable: boolean
}

const KINDS: Readonly<Partial<Record<FailureCode, Kind>>> = {
  provider_auth: { recovery: 'fix_input', retryable: false },
  provider_rejected: { recovery: 'fix_input', retryable: false },
  rate_limited: { recovery: 'wait', retryable: true },
  context_overflow: { recovery: 'fix_input', retryable: false },
  agent_crashed: { recovery: 'retry_backoff', retryable: true },
  start_timeout: { recovery: 'retry_backoff', retryable: true },
}

/** The agent used up the model calls of its turn. Clients know it by the word `max_turns`. */
export const tooManyCalls = (maxTurns: number): string =>
  `the agent wanted more than the ${maxTurns} model calls that one turn may take (max_turns)`

/** Clients that are older than `failure.code` look for one of these in the message. */
const SAYS_LIMIT = /rate limit|429/i

/** A failure with what usually follows from its code; `more` says otherwise where it is known. */
export function failureOf(code: FailureCode, text: string, more: Partial<Failure> = {}): Failure {
  const kind = KINDS[code] ?? { recovery: 'escalate', retryable: false }
  const message = code === 'rate_limited' && !SAYS_LIMIT.test(text) ? `rate limit: ${text}` : text
  return { code, message, ...kind, exitCode: null, signal: null, stderrTail: null, ...more }
}
