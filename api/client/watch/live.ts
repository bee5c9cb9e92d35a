/**
 * Events over one WebSocket connection: what is in the log behind a cursor, then what comes. When the consumer is slow
 * the subscription is given up, and taken up again behind the last event that was kept: the service holds nothing back
 * for us, and nothing piles up here.
 */
import type { ApiError } from '../errors.ts'
import type { RunEvent } from '../types.ts'
import type { Arrival, Ending, Source, Wish } from './arrival.ts'
import { Connection, type Frame, type Timing, type WebSocketClass } from './connection.ts'
import { Inbox } from './inbox.ts'
import { authenticate, deltaIn, errorIn, errorOfClose, eventIn, isForGood, unsubscribe } from './messages.ts'

export interface LiveDeps {
  readonly WebSocket: WebSocketClass
  readonly url: string
  readonly token: string | null
  readonly timing: Timing
}

/** What is followed, and where it stands. */
export interface Subscription<Attached> {
  /** The message that subscribes behind everything that was kept. */
  ask(): object
  /** The answer to it; null for other frames. */
  attachedIn(frame: Frame): Attached | null
  kept(event: RunEvent): void
  /** Whether an error about one run leaves the rest as it is. */
  canGoOnWithout(runId: string): boolean
  /** Every frame, before anything else; `isAttached`: it comes with the subscription in force. */
  heard?(frame: Frame, isAttached: boolean): void
}

export async function* live<Attached>(
  deps: LiveDeps,
  subscription: Subscription<Attached>,
  wish: Wish,
): Source<Attached> {
  const feed = new LiveFeed(deps, subscription, wish)
  const aborted = () => feed.close()
  wish.signal?.addEventListener('abort', aborted, { once: true })
  try {
    for (;;) {
      const arrival = await feed.next()
      if (arrival === null) return feed.ending
      yield arrival
    }
  } finally {
    wish.signal?.removeEventListener('abort', aborted)
    feed.close()
  }
}

class LiveFeed<Attached> {
  readonly #subscription: Subscription<Attached>
  readonly #inbox: Inbox<Arrival<Attached>>
  readonly #connection: Connection
  /** `asked`: what comes before the answer belongs to the subscription before. */
  #state: 'asked' | 'attached' | 'paused' = 'asked'
  #worked = false
  #error: ApiError | null = null

  constructor({ WebSocket, url, token, timing }: LiveDeps, subscription: Subscription<Attached>, wish: Wish) {
    this.#subscription = subscription
    this.#inbox = new Inbox(wish.buffer, () => {
      if (this.#state === 'paused') this.#ask()
    })
    this.#connection = new Connection(WebSocket, url, timing, {
      opened: () => {
        if (token !== null) this.#connection.send(authenticate(token))
        this.#ask()
      },
      frame: (frame) => this.#receive(frame),
      ended: (code) => {
        this.#error ??= errorOfClose(code)
        this.#inbox.end()
      },
    })
  }

  get ending(): Ending {
    return { worked: this.#worked, error: this.#error }
  }

  next(): Promise<Arrival<Attached> | null> {
    return this.#inbox.take()
  }

  close(): void {
    this.#connection.close()
  }

  #ask(): void {
    this.#state = 'asked'
    this.#connection.send(this.#subscription.ask())
  }

  #receive(frame: Frame): void {
    this.#subscription.heard?.(frame, this.#state === 'attached')
    const error = errorIn(frame)
    if (error !== null) {
      this.#refused(error, frame['run_id'])
      return
    }
    const attached = this.#subscription.attachedIn(frame)
    if (attached !== null) this.#attached(attached)
    else if (this.#state === 'attached') this.#take(frame)
  }

  #refused(error: ApiError, runId: unknown): void {
    if (typeof runId === 'string' && this.#subscription.canGoOnWithout(runId)) return
    if (isForGood(error)) this.#error = error
    this.#connection.close()
  }

  #attached(attached: Attached): void {
    this.#worked = true
    this.#state = 'attached'
    if (!this.#inbox.push({ kind: 'attached', attached })) this.#pause()
  }

  #take(frame: Frame): void {
    const event = eventIn(frame)
    if (event !== null) {
      if (this.#inbox.push({ kind: 'event', event })) this.#subscription.kept(event)
      else this.#pause()
      return
    }
    // Text on its way is only nice to have, so it never takes the room of events.
    const delta = deltaIn(frame)
    if (delta !== null && !this.#inbox.isHalfFull) this.#inbox.push({ kind: 'delta', delta })
  }

  #pause(): void {
    this.#state = 'paused'
    this.#connection.send(unsubscribe())
  }
}
