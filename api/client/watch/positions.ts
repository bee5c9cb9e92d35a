/** Where a watch stands in each of many runs. */
import type { RunEvent } from '../types.ts'
import type { RunPlace } from './arrival.ts'

/** Runs that are remembered: those heard of last. */
const MAX_RUNS = 10_000
/** Runs that one subscription names: with those that are at work it may have 1000. */
const MAX_NAMED = 200

/** Events of a run that have to be read: those above `after`, up to `through`. */
export interface Hole {
  readonly runId: string
  readonly after: number
  readonly through: number
}

export class Positions {
  /** Least recently heard of first. */
  readonly #cursors: Map<string, number>
  #isFirst = true

  constructor(cursors: Readonly<Record<string, number>>) {
    this.#cursors = new Map(Object.entries(cursors))
  }

  knows(runId: string): boolean {
    return this.#cursors.has(runId)
  }

  forget(runId: string): void {
    this.#cursors.delete(runId)
  }

  /** For the next subscription. */
  named(): Record<string, number> {
    return Object.fromEntries([...this.#cursors].slice(-MAX_NAMED))
  }

  /** A run that is not known began while nobody looked: its log is wanted from the start. */
  take({ run_id: runId, sequence }: RunEvent): 'fresh' | 'repeat' | 'gap' {
    const cursor = this.#cursors.get(runId) ?? 0
    if (sequence <= cursor) return 'repeat'
    if (sequence !== cursor + 1) return 'gap'
    this.#set(runId, sequence)
    return 'fresh'
  }

  after(runId: string): number {
    return this.#cursors.get(runId) ?? 0
  }

  /**
   * What a subscription will bring begins at these places. The first one decides where the watch begins; after that
   * everything between where it stood and there has to be read.
   */
  attached(places: readonly RunPlace[]): Hole[] {
    const isFirst = this.#isFirst
    this.#isFirst = false
    return places.flatMap(({ runId, from }) => {
      if (isFirst && !this.knows(runId)) this.#set(runId, from - 1)
      const after = this.after(runId)
      return from > after + 1 ? [{ runId, after, through: from - 1 }] : []
    })
  }

  #set(runId: string, sequence: number): void {
    this.#cursors.delete(runId)
    this.#cursors.set(runId, sequence)
    if (this.#cursors.size <= MAX_RUNS) return
    const [oldest] = this.#cursors.keys()
    if (oldest !== undefined) this.#cursors.delete(oldest)
  }
}
