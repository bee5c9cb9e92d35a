/**
 * The way out of one connection. It holds a bounded number of unsent bytes: whoever has much to send waits for
 * `room`, what is only nice to have is dropped, and a reader that takes nothing for too long is sent away with
 * the number it should go on from.
 */
import type { Metrics } from '../../internal/metrics.ts'

/** Why a connection is closed from this side. In every case the reader may come back and go on. */
export type Farewell = 'restart' | 'try_later'

/** The connection under an outbox. */
export interface Sink {
  readonly isOpen: boolean
  /** Bytes handed over that have not left this process. */
  readonly unsentBytes: number
  /** `sent` is called when the bytes have left, or with an error when they never will. */
  write(text: string, sent: (error: Error | null) => void): void
  /** @param lastSequence number of the last event that left; 0 for none */
  close(why: Farewell, lastSequence: number): void
  /** Calls back once, when the connection has ended, whoever ended it. */
  onEnd(listener: () => void): void
}

export interface OutboxLimits {
  /** Above this many unsent bytes nothing more is handed over. */
  readonly bufferedBytes: number
  /** So long the reader may take nothing before the connection is closed. */
  readonly stallMs: number
}

/** Answers to the client's own messages may exceed the limit by this factor before it is taken for a flood. */
const FLOOD_FACTOR = 4

export class Outbox {
  readonly #sink: Sink
  readonly #limits: OutboxLimits
  readonly #watch: NodeJS.Timeout
  readonly #ending: () => void
  #waiting: (() => void)[] = []
  #unsent = 0
  #lastProgress = performance.now()
  /** The number of the last event that left this process. */
  #lastSequence = 0

  readonly #metrics: Metrics

  /** @param ending called when nothing more will be sent: at the close, or when it starts */
  constructor(sink: Sink, limits: OutboxLimits, metrics: Metrics, ending: () => void) {
    this.#metrics = metrics
    this.#sink = sink
    this.#ending = ending
    this.#limits = limits
    this.#watch = setInterval(() => this.#checkProgress(), Math.ceil(limits.stallMs / 4))
    sink.onEnd(() => this.#end())
  }

  get isOpen(): boolean {
    return this.#sink.isOpen
  }

  get isFull(): boolean {
    return this.#sink.unsentBytes >= this.#limits.bufferedBytes
  }

  /** What is only nice to have: sent when there is room, else dropped. */
  offer(text: () => string): void {
    if (this.isFull) this.#metrics.count('stream_deltas_dropped_total', {})
    else this.send(text())
  }

  /** Queues one message; `sequence` is the number of the event it carries. */
  send(text: string, sequence: number | null = null): void {
    if (!this.isOpen) return
    if (this.#unsent === 0) this.#lastProgress = performance.now()
    this.#unsent += 1
    this.#sink.write(text, (error) => this.#sent(error, sequence))
  }

  /** An answer to a client's message. A client that asks without reading is sent away. */
  reply(text: string): void {
    if (this.#sink.unsentBytes >= this.#limits.bufferedBytes * FLOOD_FACTOR) this.close('try_later')
    else this.send(text)
  }

  /** Resolves when more may be sent, or when the connection has ended. */
  room(): Promise<void> {
    if (!this.isFull || !this.isOpen) return Promise.resolve()
    this.#metrics.count('stream_waits_total', {})
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /** Ends the connection; the sink tells the client where to go on. */
  close(why: Farewell): void {
    if (why === 'try_later') this.#metrics.count('stream_readers_sent_away_total', {})
    this.#sink.close(why, this.#lastSequence)
    this.#ending()
    this.#release()
  }

  #sent(error: Error | null, sequence: number | null): void {
    this.#unsent -= 1
    // A failed write means the connection is gone: its end follows and ends everything here.
    if (error) return
    this.#lastProgress = performance.now()
    if (sequence !== null) this.#lastSequence = sequence
    if (!this.isFull) this.#release()
  }

  #checkProgress(): void {
    if (!this.isOpen || this.#unsent === 0) return
    if (performance.now() - this.#lastProgress >= this.#limits.stallMs) this.close('try_later')
  }

  #end(): void {
    clearInterval(this.#watch)
    this.#ending()
    this.#release()
  }

  #release(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
