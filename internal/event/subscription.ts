/**
 * One reader of one run. Attach without a race: the hub registers the subscription first (live batches are
 * buffered), then the high-water mark is read, then the log is replayed up to it, then the buffer goes out from
 * there.
 */
import type { StoredEvent } from './event.ts'
import { patiently } from './patience.ts'
import { type ReadLog, RunTail } from './run-tail.ts'

export interface SubscriptionDeps {
  readonly read: ReadLog
  readonly deliver: (events: readonly StoredEvent[]) => Promise<void>
  readonly failed: (error: Error) => void
}

export class Subscription {
  readonly #deps: SubscriptionDeps
  readonly #tail: RunTail
  #wake: (() => void) | null = null
  #closed = false

  /** @param cursor everything above it is delivered */
  constructor(cursor: number, deps: SubscriptionDeps) {
    this.#tail = new RunTail(cursor)
    this.#deps = deps
  }

  /** The number of the last event delivered. */
  get cursor(): number {
    return this.#tail.cursor
  }

  /** Nothing committed that we know of is still to be delivered. */
  get isLive(): boolean {
    return this.#tail.isLive
  }

  /** A batch was committed. */
  push(events: readonly StoredEvent[]): void {
    this.#tail.push(events)
    if (!this.isLive) this.#wake?.()
  }

  /** The log reaches up to `seq`, whoever wrote it. */
  advance(seq: number): void {
    if (this.#tail.advance(seq)) this.#wake?.()
  }

  /** Starts live: what is committed up to `seq` is not wanted. Before `run` only. */
  skipTo(seq: number): void {
    this.#tail.skipTo(seq)
  }

  close(): void {
    this.#closed = true
    this.#tail.forget()
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
    const events = await this.#tail.next((after, limit) =>
      patiently(
        () => this.#deps.read(after, limit),
        () => this.#closed,
      ),
    )
    if (events.length === 0 || this.#closed) return
    await this.#deps.deliver(events)
    this.#tail.took(events)
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
