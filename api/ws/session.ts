/** One WebSocket connection: reads the client's wishes, keeps its watches, notices when it is gone. */
import type { WebSocket } from '@fastify/websocket'
import type { ApiDeps } from '../deps.ts'
import type { SocketLimits } from '../limits.ts'
import { toAppError } from '../plugins/problem-document.ts'
import { connectedFrame, errorFrame, pongFrame } from './frames.ts'
import { type ClientMessage, parseClientMessage } from './messages.ts'
import { CLOSE_RESTART, CLOSE_TRY_LATER, Outbox } from './outbox.ts'
import { RunWatch, sendEvents } from './run-watch.ts'

type RawData = Buffer | ArrayBuffer | Buffer[]

export interface SessionDeps extends Pick<ApiDeps, 'log' | 'events' | 'interactions' | 'asAppError'> {
  readonly limits: SocketLimits
}

export class Session {
  readonly #socket: WebSocket
  readonly #deps: SessionDeps
  readonly #outbox: Outbox
  readonly #watches = new Map<string, RunWatch>()
  #all: { close(): void } | null = null
  /** Subscriptions on their way, those already given up included: each costs a query. */
  #opening = 0

  /** Attaches every handler at once, so that no frame is lost. */
  constructor(socket: WebSocket, deps: SessionDeps) {
    this.#socket = socket
    this.#deps = deps
    this.#outbox = new Outbox(socket, deps.limits, () => this.#unwatchAll())
    socket.on('message', (data) => this.#receive(data))
    this.#keepAlive()
    this.#outbox.send(connectedFrame(new Date()))
  }

  /** The service stops: the client should come back in a moment. */
  farewell(): void {
    this.#outbox.close(CLOSE_RESTART)
  }

  #receive(data: RawData): void {
    try {
      this.#handle(parseClientMessage(bytesOf(data)))
    } catch (error) {
      this.#refuse(error, null)
    }
  }

  #handle(message: ClientMessage): void {
    switch (message.kind) {
      case 'ping':
        this.#outbox.reply(pongFrame(new Date()))
        return
      case 'subscribe':
        this.#watch(message)
        return
      case 'unsubscribe':
        this.#unwatch(message.runId)
        return
      case 'subscribe_all':
        this.#watchAll()
        return
      case 'unsubscribe_all':
        this.#unwatchAll()
        return
    }
  }

  #watch(wish: Extract<ClientMessage, { kind: 'subscribe' }>): void {
    const { runId } = wish
    this.#unwatch(runId)
    if (Math.max(this.#watches.size, this.#opening) >= this.#deps.limits.subscriptions) {
      const message = `At most ${this.#deps.limits.subscriptions} runs per connection; open another one.`
      this.#outbox.reply(errorFrame({ code: 'SUBSCRIPTION_TOO_WIDE', message, runId }))
      return
    }
    const watch = new RunWatch(wish, this.#outbox)
    this.#watches.set(runId, watch)
    this.#opening += 1
    watch
      .open(this.#deps, (error) => this.#lost(error))
      .catch((error: unknown) => {
        watch.close()
        if (this.#watches.get(runId) === watch) this.#watches.delete(runId)
        this.#refuse(error, runId)
      })
      .finally(() => {
        this.#opening -= 1
      })
  }

  #unwatch(runId: string): void {
    this.#watches.get(runId)?.close()
    this.#watches.delete(runId)
  }

  #watchAll(): void {
    if (this.#all) return
    let closed = false
    const attached = this.#deps.events.subscribeAll({
      deliver: (events) => {
        // A run that is watched by itself comes that way already.
        const fresh = events.filter((event) => !this.#watches.has(event.runId))
        return sendEvents(fresh, [], this.#outbox, () => closed)
      },
      failed: (error) => this.#lost(error),
    })
    this.#all = {
      close: () => {
        closed = true
        attached.close()
      },
    }
  }

  /** Single runs too: the original knew one switch for everything. */
  #unwatchAll(): void {
    this.#all?.close()
    this.#all = null
    for (const runId of [...this.#watches.keys()]) this.#unwatch(runId)
  }

  /** The log cannot be read: what comes next cannot be promised, so the client starts again. */
  #lost(error: Error): void {
    this.#deps.log.warn({ err: error }, 'watch lost')
    this.#outbox.close(CLOSE_TRY_LATER)
  }

  #refuse(error: unknown, runId: string | null): void {
    const { code, message, cause } = toAppError(this.#deps.asAppError(error))
    if (code === 'INTERNAL') this.#deps.log.error({ err: cause }, 'websocket message failed')
    this.#outbox.reply(errorFrame({ code, message, runId }))
  }

  #keepAlive(): void {
    let missed = 0
    const timer = setInterval(() => {
      if (missed >= this.#deps.limits.missedPings) {
        this.#socket.terminate()
        return
      }
      missed += 1
      if (this.#outbox.isOpen) this.#socket.ping()
    }, this.#deps.limits.pingMs)
    this.#socket.on('pong', () => {
      missed = 0
    })
    this.#socket.on('close', () => clearInterval(timer))
  }
}

/** A frame comes whole, in pieces, or as a bare buffer, whatever the library chose. */
function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data)
  return data instanceof ArrayBuffer ? Buffer.from(data) : data
}
