/** Every limit of the client in one place. Times in milliseconds, sizes in bytes unless the name says. */

/** One answer; longer ones are refused rather than kept in memory. */
export const MAX_ANSWER_BYTES = 256 * 1024 * 1024
export const REQUEST_TIMEOUT_MS = 30_000
/** Landing a large diff and creating a run do real work before they answer. */
export const SLOW_REQUEST_TIMEOUT_MS = 120_000

export interface RetryLimits {
  /** Tries of one request, the first included; 1 means no retry. */
  readonly attempts: number
  /** The first pause; it doubles up to `maxMs`, and each is shortened by chance. */
  readonly baseMs: number
  readonly maxMs: number
  /** A `Retry-After` above this is not waited for: the error says it instead. */
  readonly maxRetryAfterMs: number
}

export const RETRY: RetryLimits = { attempts: 5, baseMs: 150, maxMs: 5000, maxRetryAfterMs: 30_000 }

/** Events and deltas that wait for the consumer of a watch. */
export const WATCH_BUFFER = 1000
/** A connection this long without a frame is asked whether it lives … */
export const PING_AFTER_MS = 15_000
/** … and given up when no frame comes within this. */
export const PONG_WITHIN_MS = 10_000
/** How long the opening handshake of a WebSocket may take. */
export const OPEN_WITHIN_MS = 10_000
/** A watch ends with an error when the service could not be reached for so long. */
export const PATIENCE_MS = 300_000
/** After so many WebSockets in a row that do not open while plain requests work, a watch goes on by long poll. */
export const FUTILE_SOCKETS = 2
/** Seconds a long poll waits for an event. */
export const LONG_POLL_S = 25
/** Events of one page of a watch by long poll. */
export const WATCH_PAGE = 500
