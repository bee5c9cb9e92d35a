/** One WebSocket that is known to live: opened within a time, asked for a sign of life when it is quiet. */
import { isObject } from '../errors.ts'
import { OPEN_WITHIN_MS, PING_AFTER_MS, PONG_WITHIN_MS } from '../limits.ts'

export type Frame = Readonly<Record<string, unknown>>

export interface Timing {
  readonly openWithinMs: number
  readonly pingAfterMs: number
  readonly pongWithinMs: number
}

export const TIMING: Timing = {
  openWithinMs: OPEN_WITHIN_MS,
  pingAfterMs: PING_AFTER_MS,
  pongWithinMs: PONG_WITHIN_MS,
}

/** As much of the platform's WebSocket as is used. */
export type WebSocketClass = new (url: string) => WebSocket

export interface ConnectionEvents {
  opened(): void
  /** `text` is its length on the wire, in characters. */
  frame(frame: Frame): void
  /** Once, whoever ended it. `code` as in RFC 6455; 1006 where there was no farewell. */
  ended(code: number): void
}

export class Connection {
  readonly #socket: WebSocket
  readonly #events: ConnectionEvents
  readonly #timing: Timing
  #timer: ReturnType<typeof setTimeout>
  #isOver = false

  constructor(Socket: WebSocketClass, url: string, timing: Timing, events: ConnectionEvents) {
    this.#events = events
    this.#timing = timing
    this.#socket = new Socket(url)
    this.#timer = setTimeout(() => this.#end(1006), timing.openWithinMs)
    this.#socket.onopen = () => {
      this.#heard()
      events.opened()
    }
    this.#socket.onmessage = ({ data }) => this.#receive(data)
    this.#socket.onerror = () => this.#end(1006)
    this.#socket.onclose = ({ code }) => this.#end(code)
  }

  send(message: object): void {
    if (!this.#isOver) this.#socket.send(JSON.stringify(message))
  }

  close(): void {
    this.#end(1000)
  }

  #receive(data: unknown): void {
    if (this.#isOver) return
    this.#heard()
    const frame = parsed(data)
    if (frame === null) this.#end(1002)
    else this.#events.frame(frame)
  }

  /** Any frame is a sign of life. */
  #heard(): void {
    this.#after(this.#timing.pingAfterMs, () => {
      this.send({ type: 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_PING' })
      this.#after(this.#timing.pongWithinMs, () => this.#end(1006))
    })
  }

  #after(ms: number, then: () => void): void {
    clearTimeout(this.#timer)
    if (!this.#isOver) this.#timer = setTimeout(then, ms)
  }

  /** Not when the other end has answered the farewell: a half-open connection has no other end. */
  #end(code: number): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#socket.close()
    this.#events.ended(code)
  }
}

function parsed(data: unknown): Frame | null {
  try {
    const value: unknown = JSON.parse(String(data))
    return isObject(value) ? value : null
  } catch {
    return null // not our service at the other end
  }
}
