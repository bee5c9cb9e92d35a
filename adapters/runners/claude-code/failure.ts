/** Why a turn of the CLI failed, in our codes. Pure. */
import { failureOf, tooManyCalls } from '../../../internal/runner/failure.ts'
import type { Failure } from '../../../internal/runner/port.ts'
import type { Result } from './wire.ts'

const MAX_MESSAGE_LENGTH = 2_000

/** The CLI's words for keys and accounts that do not serve. */
const AUTH_ERRORS: ReadonlySet<string> = new Set([
  'account_on_hold',
  'authentication_failed',
  'billing_error',
  'cloud_credential_error',
  'oauth_org_not_allowed',
  'verification_required',
])

/** The provider may serve the same call later. */
const PASSING_ERRORS: ReadonlySet<string> = new Set(['overloaded', 'server_error', 'api_error'])

/** The turn was ended from outside (an interrupt, a refusal that ends it), not by a fault. */
export const isAborted = (result: Result): boolean =>
  result.terminal_reason === 'aborted_streaming' || result.terminal_reason === 'aborted_tools'

/**
 * Why a result is none; null: it is one.
 * @param apiError the CLI's word for the failed model call before it
 */
export function failureOfResult(result: Result, apiError: string | null, maxTurns: number): Failure | null {
  if (result.stop_reason === 'refusal')
    return failureOf('provider_rejected', messageOf(result, 'the model refused to answer'))
  if (!result.is_error) return null
  if (result.subtype === 'error_max_turns') return failureOf('agent_error', tooManyCalls(maxTurns))
  if (result.subtype === 'error_max_budget_usd')
    return failureOf('budget_exceeded', messageOf(result, 'the budget is used up'))
  if (result.terminal_reason === 'prompt_too_long')
    return failureOf('context_overflow', messageOf(result, 'the conversation is too long for the model'))
  if (result.subtype === 'success') return failureOfCall(result, apiError)
  return failureOf('agent_error', messageOf(result, result.terminal_reason ?? result.subtype))
}

/** A result that says `success` with is_error is a model call that failed. */
function failureOfCall(result: Result, apiError: string | null): Failure {
  const status = result.api_error_status ?? null
  const message = messageOf(result, apiError ?? 'the model call failed')
  const withStatus =
    status === null || message.includes(String(status)) ? message : `${message} (HTTP ${status})`
  if (status === 401 || status === 403 || AUTH_ERRORS.has(apiError ?? ''))
    return failureOf('provider_auth', withStatus)
  if (status === 429 || apiError === 'rate_limit') return failureOf('rate_limited', withStatus)
  const isPassing =
    status === null ? PASSING_ERRORS.has(apiError ?? '') || apiError === 'unknown' : status >= 500
  return isPassing
    ? failureOf('provider_rejected', withStatus, { recovery: 'retry_backoff', retryable: true })
    : failureOf('provider_rejected', withStatus)
}

/** Diagnostics in brackets are for the CLI's makers. */
function messageOf(result: Result, otherwise: string): string {
  const said = result.errors.filter((error) => !error.startsWith('[ede_diagnostic]')).join('; ')
  return (said || result.result || otherwise).slice(0, MAX_MESSAGE_LENGTH)
}
