/** When a request is tried again. */
import { ApiError, UnreachableError } from './errors.ts'
import type { RetryLimits } from './limits.ts'
import { backoffMs, pause } from './pause.ts'

/** Answers after which the same request may do better, whatever their code. */
const PASSING = new Set([408, 429, 502, 503, 504])

/**
 * Calls `once` until it succeeds, fails for good, or the tries are used up. Only for requests that do no harm
 * when they are sent twice. Rejects with the last error, or with the signal's reason.
 */
export async function retrying<T>(
  once: () => Promise<T>,
  limits: RetryLimits,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once()
    } catch (error) {
      const waitMs = waitBefore(error, attempt, limits)
      if (waitMs === null) throw error
      await pause(waitMs, signal)
    }
  }
}

/** Milliseconds to wait before the next try; null: there is none. */
function waitBefore(error: unknown, attempt: number, limits: RetryLimits): number | null {
  if (attempt >= limits.attempts || !isPassing(error)) return null
  const asked = error instanceof ApiError && error.retryAfter !== null ? error.retryAfter * 1000 : 0
  if (asked > limits.maxRetryAfterMs) return null
  return Math.max(asked, backoffMs(attempt, limits))
}

/** Whether it may be over in a moment: nobody answered, or the service said that it cannot at present. */
export function isPassing(error: unknown): boolean {
  if (error instanceof UnreachableError) return true
  if (!(error instanceof ApiError)) return false
  return PASSING.has(error.status) || error.code === 'STATE_IDEMPOTENCY_IN_FLIGHT'
}
