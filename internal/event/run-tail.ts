/**
 * Where one reader stands in one run's log. It never trusts what it was told, only the numbers: what arrives
 * live is handed out when it is next in line, everything else is read from the log. A slow reader therefore
 * costs a bounded buffer.
 */
import type { StoredEvent } from './event.ts'

export const LIVE_BUFFER_EVENTS = 512
const PAGE = 1000

export type ReadLog = (after: number, limit: number) => Promise<readonly StoredEvent[]>

export class RunTail {
  #cursor: number
  #highWater = 0
  #buffer: StoredEvent[] = []

  /** @param cursor everything above it is wanted */
  constructor(cursor: number) {
    this.#cursor = cursor
  }

  /** The number of the last event handed out. */
  get cursor(): number {
    return this.#cursor
  }

  /** Nothing committed that we know of is still to be handed out. */
  get isLive(): boolean {
    return this.#highWater <= this.#cursor
  }

  /** Events kept in memory. */
  get buffered(): number {
    return this.#buffer.length
  }

  /** A batch was committed. Overflow only forgets the bodies: they are read from the log. */
  push(events: readonly StoredEvent[], room: number = LIVE_BUFFER_EVENTS): void {
    const last = events.at(-1)
    if (!last || last.seq <= this.#cursor) return
    if (this.#buffer.length + events.length > room) this.#buffer = []
    else this.#buffer.push(...events)
    this.advance(last.seq)
  }

  /** The log reaches up to `seq`, whoever wrote it. True: that is news. */
  advance(seq: number): boolean {
    if (seq <= this.#highWater) return false
    this.#highWater = seq
    return true
  }

  /** What is committed up to `seq` is not wanted. Before the first `next` only. */
  skipTo(seq: number): void {
    this.#cursor = seq
  }

  forget(): void {
    this.#buffer = []
  }

  /** The next events in line; `took` says that they were delivered. Empty: the log holds nothing more. */
  async next(read: ReadLog): Promise<readonly StoredEvent[]> {
    const buffered = this.#takeBuffered()
    if (buffered) return buffered
    const announced = this.#highWater
    const page = await read(this.#cursor, PAGE)
    // Nothing there although it was announced: it is not asked for again before the next announcement.
    if (page.length === 0 && this.#highWater === announced) this.#highWater = this.#cursor
    return page
  }

  took(events: readonly StoredEvent[]): void {
    this.#cursor = events.at(-1)?.seq ?? this.#cursor
  }

  /** The buffered events if they go on exactly where the reader stands. */
  #takeBuffered(): readonly StoredEvent[] | null {
    const fresh = this.#buffer.filter((event) => event.seq > this.#cursor)
    this.#buffer = []
    const isNext = fresh.every((event, index) => event.seq === this.#cursor + 1 + index)
    return fresh.length > 0 && isNext ? fresh : null
  }
}
