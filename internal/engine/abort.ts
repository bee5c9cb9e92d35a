import { CUT } from '../runner/port.ts'

/** Why a run's work is cut short. The reason decides how the run ends. */
export type AbortReason =
  /** Somebody asked for it: the run ends cancelled. */
  | 'stop'
  /** Somebody ended the turn, not the run. */
  | 'interrupt'
  /** It waits for a person so long that its place is given up until the answer comes. */
  | 'park'
  /** The service goes away: the run goes back to the queue. */
  | 'drain'
  /** The lease is somebody else's, or may be: nothing more is written. */
  | 'lost'
  /** The turn took longer than its wall clock. */
  | 'wall_timeout'
  /** The agent said nothing for too long. */
  | 'idle_timeout'

/** The turn goes on later, here or elsewhere. */
export const isCut = (reason: AbortReason | null): boolean =>
  reason === 'drain' || reason === 'lost' || reason === 'park'

/** Aborts once; the first reason stays, except that a lost lease outranks everything. */
export class RunAbort {
  readonly #controller = new AbortController()
  #reason: AbortReason | null = null

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get reason(): AbortReason | null {
    return this.#reason
  }

  abort(reason: AbortReason): void {
    if (this.#reason === null || reason === 'lost') this.#reason = reason
    this.#controller.abort(isCut(reason) ? CUT : undefined)
  }
}
