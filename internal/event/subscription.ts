/**
 * One reader of one run's log. It never trusts what it was told, only the numbers: what arrives live is
 * delivered when it is next in line, everything else is read from the log. A slow reader therefore costs a
 * bounded buffer and holds nobody up.
 *
 * Attach without a race: the hub registers the subscription first (live batches are buffered), then the
 * high-water mark is read, then the log is replayed up to it, then the buffer goes out from there.
 */
import type { StoredEvent } from './event.ts'

export const LIVE_BUFFER_EVENTS = 512
const PAGE = 1000
const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5000
/** So long the log may stay unreadable before the reader is told to come back later. */
const GIVE_UP_MS = 60_000

export interface SubscriptionDeps {
  readonly read: (after: number, limit: number) => Promise<readonly StoredEvent[]>
  readonly deliver: (events: readonly StoredEvent[]) => Promise<void>
  readonly failed: (error: Error) => void
}

export class Subscription {
  readonly #deps: SubscriptionDeps
  #cursor: number
  #highWater = 0
  #buffer: StoredEvent[] = []
  #wake: (() => void) | null = null
  #closed = false

  /** @param cursor everything above it is delivered */
  constructor(cursor: number, deps: SubscriptionDeps) {
    this.#cursor = cursor
    this.#deps = deps
  }

  /** The number of the last event delivered. */
  get cursor(): number {
    return this.#cursor
  }

  /** Nothing committed that we know of is still to be delivered. */
  get isLive(): boolean {
    return this.#highWater <= this.#cursor
  }

  /** A batch was committed. Overflow only forgets the bodies: they are read from the log. */
  push(events: readonly StoredEvent[]): void {
    const last = events.at(-1)
    if (!last) return
    if (this.#buffer.length + events.length > LIVE_BUFFER_EVENTS) this.#buffer = []
    else this.#buffer.push(...events)
    this.advance(last.seq)
  }

  /** The log reaches up to `seq`, whoever wrote it. */
  advance(seq: number): void {
    if (seq <= this.#highWater) return
    this.#highWater = seq
    this.#wake?.()
  }

  /** Starts live: what is committed up to `seq` is not wanted. Before `run` only. */
  skipTo(seq: number): void {
    this.#cursor = seq
  }

  close(): void {
    this.#closed = true
    this.#buffer = []
    this.#wake?.()
  }

  /** Delivers until closed; never rejects. */
  async run(): Promise<void> {
    try {
      while (!this.#closed) {
        if (this.isLive) await this.#sleep()
        else await this.#deliverNext()
      }
    } catch (error) {
      if (!this.#closed) this.#deps.failed(error instanceof Error ? error : new Error(String(error)))
      this.close()
    }
  }

  async #deliverNext(): Promise<void> {
    const events = this.#takeBuffered() ?? (await this.#readPage())
    const last = events.at(-1)
    if (!last || this.#closed) return
    await this.#deps.deliver(events)
    this.#cursor = last.seq
  }

  /** The buffered events if they go on exactly where the reader stands. */
  #takeBuffered(): readonly StoredEvent[] | null {
    const fresh = this.#buffer.filter((event) => event.seq > this.#cursor)
    this.#buffer = []
    const isNext = fresh.every((event, index) => event.seq === this.#cursor + 1 + index)
    return fresh.length > 0 && isNext ? fresh : null
  }

  async #readPage(): Promise<readonly StoredEvent[]> {
    let delay = FIRST_RETRY_MS
    for (let waited = 0; ; waited += delay) {
      try {
        return await this.#deps.read(this.#cursor, PAGE)
      } catch (error) {
        if (this.#closed || waited >= GIVE_UP_MS) throw error
        await new Promise((resolve) => setTimeout(resolve, delay))
        delay = Math.min(delay * 2, LAST_RETRY_MS)
      }
    }
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null
        resolve()
      }
    })
  }
}
