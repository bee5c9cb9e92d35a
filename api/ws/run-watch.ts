/** One connection's watch over one run: SUBSCRIBED first, then every event once, in order, as the reader takes them. */
import type { StoredEvent } from '../../internal/event/event.ts'
import type { Delta } from '../../internal/runner/port.ts'
import type { ApiDeps } from '../deps.ts'
import { type EventName, wants } from '../schemas/run-event.ts'
import { deltaFrame, projectionFrame, runEventFrame, subscribedFrame } from './frames.ts'
import type { ClientMessage } from './messages.ts'
import type { Outbox } from './outbox.ts'

type Wish = Extract<ClientMessage, { kind: 'subscribe' }>

export class RunWatch {
  readonly #wish: Wish
  readonly #outbox: Outbox
  readonly #opened = Promise.withResolvers<void>()
  #isOpen = false
  #closed = false
  #detach: (() => void) | null = null

  constructor(wish: Wish, outbox: Outbox) {
    this.#wish = wish
    this.#outbox = outbox
  }

  /** Rejects as `subscribe` and `pending` do; then nothing was sent. */
  async open(
    { events, interactions }: Pick<ApiDeps, 'events' | 'interactions'>,
    failed: (error: Error) => void,
  ): Promise<void> {
    const { runId, afterSequence, deltas, eventTypes } = this.#wish
    const attached = await events.subscribe({
      runId,
      afterSequence,
      deliver: (batch) => this.#deliver(batch),
      ...(deltas && { delta: (run: string, turn: number, delta: Delta) => this.#delta(run, turn, delta) }),
      failed: (error) => {
        if (!this.#closed) failed(error)
      },
    })
    if (this.#closed) {
      attached.close()
      return
    }
    this.#detach = () => attached.close()
    const { from, through, status } = attached
    // Asked after the attach: what is opened or closed from here on is told by an event behind SUBSCRIBED, so
    // one that starts live misses none. What is listed may be closed by such an event already.
    const pending = await interactions.pending(runId)
    if (this.#closed) return
    this.#outbox.send(subscribedFrame({ runId, from, through, status, pending, deltas, eventTypes }))
    this.#isOpen = true
    this.#opened.resolve()
  }

  /** Nothing is sent for this watch from now on. */
  close(): void {
    this.#closed = true
    this.#detach?.()
    this.#detach = null
    this.#opened.resolve()
  }

  /** Events may come before `subscribe` has answered: they wait behind SUBSCRIBED. */
  async #deliver(events: readonly StoredEvent[]): Promise<void> {
    await this.#opened.promise
    await sendEvents(events, this.#wish.eventTypes, this.#outbox, () => this.#closed)
  }

  /** Text on its way is only nice to have. */
  #delta(runId: string, turn: number, delta: Delta): void {
    if (!this.#isOpen || this.#closed || this.#outbox.isFull) return
    this.#outbox.send(deltaFrame(runId, turn, delta))
  }
}

/** Sends events as fast as the reader takes them. Status and progress are told whatever the filter says. */
export async function sendEvents(
  events: readonly StoredEvent[],
  eventTypes: readonly EventName[],
  outbox: Outbox,
  isClosed: () => boolean,
): Promise<void> {
  for (const event of events) {
    if (outbox.isFull) await outbox.room()
    if (isClosed() || !outbox.isOpen) return
    if (wants(eventTypes, event.name)) outbox.send(runEventFrame(event), event.seq)
    const projection = projectionFrame(event)
    if (projection !== null) outbox.send(projection, event.seq)
  }
  if (outbox.isFull) await outbox.room()
}
