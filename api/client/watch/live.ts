/**
 * A run over one WebSocket connection: what is in the log above `after`, then what comes. When the consumer is slow
 * the subscription is given up, and taken up again behind the last event that was kept: the service holds nothing
 * back for us, and nothing piles up here.
 */
import type { ApiError } from '../errors.ts'
import type { Arrival, Ending, Source, Wish } from './arrival.ts'
import { Connection, type Frame, type Timing, type WebSocketClass } from './connection.ts'
import { Inbox } from './inbox.ts'
import {
  authenticate,
  deltaIn,
  errorIn,
  errorOfClose,
  eventIn,
  isForGood,
  subscribe,
  subscribedIn,
  unsubscribe,
} from './messages.ts'

export interface LiveDeps {
  readonly WebSocket: WebSocketClass
  readonly url: string
  readonly token: string | null
  readonly timing: Timing
}

export async function* live(deps: LiveDeps, wish: Wish): Source {
  const feed = new LiveFeed(deps, wish)
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

class LiveFeed {
  readonly #wish: Wish
  readonly #inbox: Inbox<Arrival>
  readonly #connection: Connection
  /** `asked`: what comes before the answer belongs to the subscription before. */
  #state: 'asked' | 'attached' | 'paused' = 'asked'
  #cursor: number
  #worked = false
  #error: ApiError | null = null

  constructor({ WebSocket, url, token, timing }: LiveDeps, wish: Wish) {
    this.#wish = wish
    this.#cursor = wish.after
    this.#inbox = new Inbox(wish.buffer, () => this.#goOn())
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

  next(): Promise<Arrival | null> {
    return this.#inbox.take()
  }

  close(): void {
    this.#connection.close()
  }

  #ask(): void {
    this.#state = 'asked'
    this.#connection.send(subscribe(this.#wish.runId, this.#cursor, this.#wish.deltas))
  }

  #goOn(): void {
    if (this.#state === 'paused') this.#ask()
  }

  #receive(frame: Frame): void {
    const error = errorIn(frame)
    if (error !== null) {
      if (isForGood(error)) this.#error = error
      this.#connection.close()
      return
    }
    const subscribed = subscribedIn(frame)
    if (subscribed !== null) this.#attached(subscribed)
    else if (this.#state === 'attached') this.#take(frame)
  }

  #attached({ through, status }: { through: number; status: string }): void {
    this.#worked = true
    this.#state = 'attached'
    if (!this.#inbox.push({ kind: 'attached', through, status })) this.#pause()
  }

  #take(frame: Frame): void {
    const event = eventIn(frame)
    if (event !== null) {
      if (this.#inbox.push({ kind: 'event', event })) this.#cursor = event.sequence
      else this.#pause()
      return
    }
    // Text on its way is only nice to have, so it never takes the room of events.
    const delta = deltaIn(frame)
    if (delta !== null && !this.#inbox.isHalfFull) this.#inbox.push({ kind: 'delta', delta })
  }

  #pause(): void {
    this.#state = 'paused'
    this.#connection.send(unsubscribe(this.#wish.runId))
  }
}
