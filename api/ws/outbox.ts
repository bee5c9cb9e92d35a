/**
 * The way out of one connection. It holds a bounded number of unsent bytes: whoever has much to send waits for
 * `room`, what is only nice to have is dropped, and a reader that takes nothing for too long is sent away with
 * the number it should go on from.
 */
import type { WebSocket } from '@fastify/websocket'
import type { SocketLimits } from '../limits.ts'

/** RFC 6455 and IANA: service restart, try again later. */
export const CLOSE_RESTART = 1012
export const CLOSE_TRY_LATER = 1013

/** Answers to the client's own messages may exceed the limit by this factor before it is taken for a flood. */
const FLOOD_FACTOR = 4

export class Outbox {
  readonly #socket: WebSocket
  readonly #limits: SocketLimits
  readonly #watch: NodeJS.Timeout
  readonly #ending: () => void
  #waiting: (() => void)[] = []
  #unsent = 0
  #lastProgress = performance.now()
  /** The number of the last event that left this process. */
  #lastSequence = 0

  /** @param ending called when nothing more will be sent: at the close, or when it starts */
  constructor(socket: WebSocket, limits: SocketLimits, ending: () => void) {
    this.#socket = socket
    this.#ending = ending
    this.#limits = limits
    this.#watch = setInterval(() => this.#checkProgress(), Math.ceil(limits.stallMs / 4))
    socket.on('close', () => this.#end())
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  get isFull(): boolean {
    return this.#socket.bufferedAmount >= this.#limits.bufferedBytes
  }

  /** Queues one frame; `sequence` is the number of the event it carries. */
  send(text: string, sequence: number | null = null): void {
    if (!this.isOpen) return
    if (this.#unsent === 0) this.#lastProgress = performance.now()
    this.#unsent += 1
    this.#socket.send(text, (error) => this.#sent(error ?? null, sequence))
  }

  /** An answer to a client's message. A client that asks without reading is sent away. */
  reply(text: string): void {
    if (this.#socket.bufferedAmount >= this.#limits.bufferedBytes * FLOOD_FACTOR) this.close(CLOSE_TRY_LATER)
    else this.send(text)
  }

  /** Resolves when more may be sent, or when the connection has ended. */
  room(): Promise<void> {
    if (!this.isFull || !this.isOpen) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /** Starts the closing handshake; the reason tells the client where to go on. */
  close(code: number): void {
    this.#socket.close(code, `sequence=${this.#lastSequence}`)
    this.#ending()
    this.#release()
  }

  #sent(error: Error | null, sequence: number | null): void {
    this.#unsent -= 1
    // A failed write means the connection is gone: 'close' follows and ends everything here.
    if (error) return
    this.#lastProgress = performance.now()
    if (sequence !== null) this.#lastSequence = sequence
    if (!this.isFull) this.#release()
  }

  #checkProgress(): void {
    if (!this.isOpen || this.#unsent === 0) return
    if (performance.now() - this.#lastProgress >= this.#limits.stallMs) this.close(CLOSE_TRY_LATER)
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
