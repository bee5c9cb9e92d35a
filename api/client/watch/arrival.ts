/** What a source of a run's events brings, and how it ends. */
import type { ApiError } from '../errors.ts'
import type { RunDelta, RunEvent } from '../types.ts'

export type Arrival =
  /**
   * Everything up to `through` is in the log already and will come. `status` is the run's at that moment, in its
   * full name; null where the source does not know.
   */
  | { readonly kind: 'attached'; readonly through: number; readonly status: string | null }
  | { readonly kind: 'event'; readonly event: RunEvent }
  | { readonly kind: 'delta'; readonly delta: RunDelta }

export interface Ending {
  /** Whether it ever worked. */
  readonly worked: boolean
  /** Not null: trying again would not help. */
  readonly error: ApiError | null
}

export interface Wish {
  readonly runId: string
  readonly after: number
  readonly deltas: boolean
  /** Events that may wait for the consumer. */
  readonly buffer: number
  readonly signal: AbortSignal | undefined
}

export type Source = AsyncGenerator<Arrival, Ending>
