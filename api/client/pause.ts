/** Waiting that can be broken off. */

/** Resolves after `ms`; rejects with the signal's reason when it is aborted meanwhile. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const aborted = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', aborted)
      resolve()
    }, ms)
    signal?.addEventListener('abort', aborted, { once: true })
  })
}

/**
 * The pause before try number `attempt` (from 1): doubling from `baseMs` to `maxMs`, each between half and all of
 * that by chance, so that clients of a service that came back do not come in step.
 */
export function backoffMs(attempt: number, { baseMs, maxMs }: { baseMs: number; maxMs: number }): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30))
  return full * (0.5 + Math.random() / 2)
}

export interface Deadline {
  readonly signal: AbortSignal
  /** Whether the time was up, and not the caller's signal. */
  expired(): boolean
  /** Frees the timer and lets go of the caller's signal. */
  end(): void
}

/** A signal that is aborted after `ms`, or with the caller's. */
export function deadline(ms: number, caller?: AbortSignal): Deadline {
  const own = new AbortController()
  let isExpired = false
  const aborted = () => own.abort(caller?.reason)
  if (caller?.aborted) aborted()
  else caller?.addEventListener('abort', aborted, { once: true })
  const timer = setTimeout(() => {
    isExpired = true
    own.abort(new Error(`no answer within ${ms} ms`))
  }, ms)
  return {
    signal: own.signal,
    expired: () => isExpired,
    end: () => {
      clearTimeout(timer)
      caller?.removeEventListener('abort', aborted)
    },
  }
}
