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

/** A failure with what usually follows from its code; `more` says otherwise where it is known. */
export function failureOf(code: FailureCode, message: string, more: Partial<Failure> = {}): Failure {
  const kind = KINDS[code] ?? { recovery: 'escalate', retryable: false }
  return { code, message, ...kind, exitCode: null, signal: null, stderrTail: null, ...more }
}
