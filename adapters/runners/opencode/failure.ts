/** Why a turn failed, in our codes. Pure. */
import { failureOf } from '../../../internal/runner/failure.ts'
import type { Failure } from '../../../internal/runner/port.ts'
import type { OpencodeError } from './wire.ts'

/** What opencode reports as the error of a session or a message. */
export function failureOfError(error: OpencodeError): Failure {
  const { message, statusCode, isRetryable } = error.data
  const text = message ?? error.name
  const withStatus = statusCode === undefined ? text : `${text} (HTTP ${statusCode})`
  switch (error.name) {
    case 'ProviderAuthError':
      return failureOf('provider_auth', withStatus)
    case 'ContextOverflowError':
      return failureOf('context_overflow', withStatus)
    case 'ProviderModelNotFoundError':
      return failureOf('provider_rejected', withStatus)
    case 'APIError':
      return apiFailure(statusCode, withStatus, isRetryable ?? false)
    default:
      // 1.18 has no error of its own for it under `serve`.
      if (/^model not found/i.test(text)) return failureOf('provider_rejected', text)
      return failureOf('agent_error', `${error.name}: ${withStatus}`)
  }
}

function apiFailure(status: number | undefined, message: string, isRetryable: boolean): Failure {
  if (status === 401 || status === 403) return failureOf('provider_auth', message)
  if (status === 429) return failureOf('rate_limited', message)
  return isRetryable
    ? failureOf('provider_rejected', message, { recovery: 'retry_backoff', retryable: true })
    : failureOf('provider_rejected', message)
}

/** Whether the text of a retry notice speaks of a limit rather than of a fault; it carries no status. */
export const speaksOfLimit = (message: string): boolean =>
  /rate.?limit|too many requests|quota|\b429\b|overloaded/i.test(message)

/** After too many retries: what the last notice said. */
export const failureOfRetries = (attempts: number, message: string): Failure =>
  speaksOfLimit(message)
    ? failureOf('rate_limited', `given up after ${attempts} retries: ${message}`)
    : failureOf('provider_rejected', `given up after ${attempts} retries: ${message}`, {
        recovery: 'retry_backoff',
        retryable: true,
      })
