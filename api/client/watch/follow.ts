/** Where a watch of one run stands: the number it has read to, and whether the run has come to its end. */
import type { RunEvent } from '../types.ts'

/**
 * When a watch ends: `terminal` when the run is complete, failed or cancelled; `turn_end` also when it waits for
 * review; `never` not by itself.
 */
export type Until = 'terminal' | 'turn_end' | 'never'

const ENDS: Readonly<Record<Until, readonly string[]>> = {
  terminal: ['complete', 'failed', 'cancelled'],
  turn_end: ['complete', 'failed', 'cancelled', 'needs_review'],
  never: [],
}

export class Follow {
  readonly #ends: readonly string[]
  #cursor: number
  #through = 0
  #status: string | null = null

  constructor(after: number, until: Until) {
    this.#cursor = after
    this.#ends = ENDS[until]
  }

  /** The number of the last event that was taken. */
  get cursor(): number {
    return this.#cursor
  }

  /** An earlier turn's end is none where the log goes on behind it. */
  get isOver(): boolean {
    return this.#cursor >= this.#through && this.#status !== null && this.#ends.includes(this.#status)
  }

  /** @param status full name of the run's status when `through` was its last event */
  attached(through: number, status: string | null): void {
    this.#through = Math.max(this.#through, through)
    const nothingToRead = this.#cursor >= through && this.#status === null
    if (nothingToRead && status !== null) this.#status = shortStatus(status)
  }

  take(event: RunEvent): 'fresh' | 'repeat' | 'gap' {
    if (event.sequence <= this.#cursor) return 'repeat'
    if (event.sequence !== this.#cursor + 1) return 'gap'
    this.#cursor = event.sequence
    if (event.status !== undefined) this.#status = event.status.new_status
    return 'fresh'
  }
}

/** `RUN_STATUS_NEEDS_REVIEW` -> `needs_review`, as events write it. */
export const shortStatus = (name: string): string => name.replace(/^[A-Z]+_STATUS_/, '').toLowerCase()
