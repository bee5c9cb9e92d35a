/** One reader's watch over one run: what it is subscribed to first, then every event once, in order, as it takes them. */
import type { StoredEvent } from '../../internal/event/event.ts'
import type { Interaction } from '../../internal/interaction/interaction.ts'
import type { RunStatus } from '../../internal/run/run.ts'
import type { Delta } from '../../internal/runner/port.ts'
import type { ApiDeps } from '../deps.ts'
import { type EventName, wants } from '../schemas/run-event.ts'
import type { Outbox } from './outbox.ts'

export interface RunWish {
  readonly runId: string
  /** null: live only. */
  readonly afterSequence: number | null
  readonly deltas: boolean
  readonly eventTypes: readonly EventName[]
}

export interface Subscribed {
  readonly runId: string
  readonly from: number
  readonly through: number
  readonly status: RunStatus
  readonly pending: readonly Interaction[]
  readonly deltas: boolean
  readonly eventTypes: readonly EventName[]
}

/** How things are said on one kind of connection. */
export interface Voice {
  /** Everything that one event makes to be sent. `wanted`: whether the filter lets the event itself through. */
  event(event: StoredEvent, wanted: boolean): readonly string[] | Promise<readonly string[]>
  delta(runId: string, turn: number, delta: Delta): string
}

export interface RunVoice extends Voice {
  subscribed(subscribed: Subscribed): string
}

export interface RunWatchOptions {
  readonly outbox: Outbox
  readonly voice: RunVoice
  /** Called after each batch has been handed to the outbox. */
  delivered?(events: readonly StoredEvent[]): Promise<void>
}

export class RunWatch {
  readonly #wish: RunWish
  readonly #options: RunWatchOptions
  readonly #opened = Promise.withResolvers<void>()
  #isOpen = false
  #closed = false
  #detach: (() => void) | null = null

  constructor(wish: RunWish, options: RunWatchOptions) {
    this.#wish = wish
    this.#options = options
  }

  /** Where it stands once it is open; null: closed meanwhile. Rejects as `subscribe` and `pending` do; then nothing was sent. */
  async open(
    { events, interactions }: Pick<ApiDeps, 'events' | 'interactions'>,
    failed: (error: Error) => void,
  ): Promise<Subscribed | null> {
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
      return null
    }
    this.#detach = () => attached.close()
    const { from, through, status } = attached
    // Asked after the attach: what is opened or closed from here on is told by an event behind SUBSCRIBED, so
    // one that starts live misses none. What is listed may be closed by such an event already.
    const pending = await interactions.pending(runId)
    if (this.#closed) return null
    const subscribed = { runId, from, through, status, pending, deltas, eventTypes }
    this.#options.outbox.send(this.#options.voice.subscribed(subscribed))
    this.#isOpen = true
    this.#opened.resolve()
    return subscribed
  }

  /** Nothing is sent for this watch from now on. */
  close(): void {
    this.#closed = true
    this.#detach?.()
    this.#detach = null
    this.#opened.resolve()
  }

  /** Events may come before `subscribe` has answered: they wait behind what says what is subscribed. */
  async #deliver(events: readonly StoredEvent[]): Promise<void> {
    await this.#opened.promise
    const { outbox, voice, delivered } = this.#options
    await sendEvents(events, {
      eventTypes: this.#wish.eventTypes,
      outbox,
      voice,
      isClosed: () => this.#closed,
    })
    if (!this.#closed) await delivered?.(events)
  }

  /** Text on its way is only nice to have. */
  #delta(runId: string, turn: number, delta: Delta): void {
    const { outbox, voice } = this.#options
    if (this.#isOpen && !this.#closed) outbox.offer(() => voice.delta(runId, turn, delta))
  }
}

/** Sends events as fast as the reader takes them. */
export async function sendEvents(
  events: readonly StoredEvent[],
  to: { eventTypes: readonly EventName[]; outbox: Outbox; voice: Voice; isClosed(): boolean },
): Promise<void> {
  const { eventTypes, outbox, voice } = to
  for (const event of events) {
    if (outbox.isFull) await outbox.room()
    const said = voice.event(event, wants(eventTypes, event.name))
    const texts = said instanceof Promise ? await said : said
    if (to.isClosed() || !outbox.isOpen) return
    for (const text of texts) outbox.send(text, event.seq)
  }
  if (outbox.isFull) await outbox.room()
}
