/** What a source of events brings, and how it ends. */
import type { ApiError } from '../errors.ts'
import type { RunDelta, RunEvent } from '../types.ts'

/** `Attached` says what the log held when the source began, or took up again, to follow it. */
export type Arrival<Attached> =
  | { readonly kind: 'attached'; readonly attached: Attached }
  | { readonly kind: 'event'; readonly event: RunEvent }
  | { readonly kind: 'delta'; readonly delta: RunDelta }

/** Of one run. */
export interface RunAttached {
  /** Everything up to this number is in the log already and will come. */
  readonly through: number
  /** The run's status at that moment, in its full name; null where the source does not know. */
  readonly status: string | null
}

/** Of one of many runs: what comes of it begins at `from`. */
export interface RunPlace {
  readonly runId: string
  readonly from: number
}

export interface Ending {
  /** Whether it ever worked. */
  readonly worked: boolean
  /** Not null: trying again would not help. */
  readonly error: ApiError | null
}

export interface Wish {
  readonly deltas: boolean
  /** Events that may wait for the consumer. */
  readonly buffer: number
  readonly signal: AbortSignal | undefined
}

export type Source<Attached> = AsyncGenerator<Arrival<Attached>, Ending>

/** Throws what cannot be mended by trying again. */
export function checked(ending: Ending): Ending {
  if (ending.error !== null) throw ending.error
  return ending
}
