/** What one reader of a run has been told, and whether that is all there will be. */
import type { StoredEvent } from '../../internal/event/event.ts'
import { newStatus } from '../../internal/event/status-event.ts'
import { isFinal, type RunStatus } from '../../internal/run/run.ts'
import type { ApiDeps } from '../deps.ts'
import type { Subscribed } from './run-watch.ts'

export class Told {
  readonly #runId: string
  readonly #events: Pick<ApiDeps['events'], 'position'>
  #cursor: number
  /** From this number on it is worth asking whether the run is finished; null: it goes on. */
  #perhapsAt: number | null = null

  constructor(
    reader: { readonly runId: string; readonly afterSequence: number },
    events: Pick<ApiDeps['events'], 'position'>,
  ) {
    this.#runId = reader.runId
    this.#cursor = reader.afterSequence
    this.#events = events
  }

  start({ status, through }: Pick<Subscribed, 'status' | 'through'>): void {
    if (isFinal(status)) this.#perhapsAt = Math.max(this.#perhapsAt ?? 0, through)
  }

  take(events: readonly StoredEvent[]): void {
    for (const event of events) {
      this.#cursor = event.seq
      const status = newStatus(event)
      if (status !== null && isFinal(status)) this.#perhapsAt = event.seq
    }
  }

  /** Where the run ended, once all of it is told; null: there is or will be more. A finished run may be continued. */
  async whole(): Promise<{ status: RunStatus; lastSequence: number } | null> {
    if (this.#perhapsAt === null || this.#cursor < this.#perhapsAt) return null
    const { status, lastSequence } = await this.#events.position(this.#runId)
    if (isFinal(status) && lastSequence <= this.#cursor) return { status, lastSequence }
    this.#perhapsAt = isFinal(status) ? lastSequence : null
    return null
  }
}
