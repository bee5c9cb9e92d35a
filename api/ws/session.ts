/** One WebSocket connection: reads the client's wishes, keeps its watches, notices when it is gone. */
import type { WebSocket } from '@fastify/websocket'
import { AppError, type ErrorCode } from '../../internal/errors.ts'
import type { ApiDeps } from '../deps.ts'
import type { SocketLimits } from '../limits.ts'
import { toAppError } from '../plugins/problem-document.ts'
import { Outbox } from '../streams/outbox.ts'
import { type RunVoice, RunWatch, type RunWish } from '../streams/run-watch.ts'
import { connectedFrame, errorFrame, pongFrame } from './frames.ts'
import { type ClientMessage, parseClientMessage, type WideWish } from './messages.ts'
import { socketSink } from './socket-sink.ts'
import { sessionVoice } from './voice.ts'
import { WideWatch } from './wide-watch.ts'
import { WideWatches } from './wide-watches.ts'

type RawData = Buffer | ArrayBuffer | Buffer[]

export interface SessionDeps
  extends Pick<ApiDeps, 'log' | 'events' | 'tasks' | 'interactions' | 'asAppError' | 'metrics'> {
  readonly limits: SocketLimits
}

interface Watch {
  open(deps: SessionDeps, failed: (error: Error) => void): Promise<unknown>
  close(): void
}

export class Session {
  readonly #socket: WebSocket
  readonly #deps: SessionDeps
  readonly #outbox: Outbox
  readonly #voice: RunVoice
  readonly #runs = new Map<string, RunWatch>()
  readonly #wide = new WideWatches()
  /** Subscriptions on their way, those already given up included: each costs a query. */
  #opening = 0

  /** Attaches every handler at once, so that no frame is lost. */
  constructor(socket: WebSocket, deps: SessionDeps) {
    this.#socket = socket
    this.#deps = deps
    this.#voice = sessionVoice(deps.events)
    this.#outbox = new Outbox(socketSink(socket), deps.limits, deps.metrics, () => this.#unwatchAll())
    socket.on('message', (data) => this.#receive(data))
    this.#keepAlive()
    this.#outbox.send(connectedFrame(new Date()))
  }

  /** The service stops: the client should come back in a moment. */
  farewell(): void {
    this.#outbox.close('restart')
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
      case 'authenticate':
        throw new AppError(
          'AUTHENTICATION_OFF',
          'This service runs without authentication: leave the token out. The connection stays as it is.',
        )
      case 'subscribe':
        this.#watchRun(message.wish)
        return
      case 'subscribe_many':
        this.#watchMany(message.wish)
        return
      case 'unsubscribe':
        this.#unwatchRun(message.runId)
        return
      case 'unsubscribe_many':
        this.#wide.close(message.selection)
        return
      case 'unsubscribe_all':
        this.#unwatchAll()
        return
    }
  }

  #watchRun(wish: RunWish): void {
    const { runId } = wish
    const { subscriptions: most } = this.#deps.limits
    this.#unwatchRun(runId)
    if (Math.max(this.#runs.size, this.#opening) >= most) {
      this.#refuse(tooMany(`At most ${most} single runs per connection; open another one.`), runId)
      return
    }
    const watch = new RunWatch(wish, { outbox: this.#outbox, voice: this.#voice })
    this.#runs.set(runId, watch)
    this.#open(watch, runId, () => {
      if (this.#runs.get(runId) === watch) this.#runs.delete(runId)
    })
  }

  #watchMany(wish: WideWish): void {
    // The original's clients say it at any time; starting live once more could only lose something.
    if (isPlain(wish) && this.#wide.has(isPlain)) return
    const { wideSubscriptions: wide, subscriptions } = this.#deps.limits
    this.#wide.close(wish.selection)
    if (this.#wide.size >= wide || this.#opening >= subscriptions) {
      throw tooMany(`At most ${wide} subscriptions to several runs per connection; open another one.`)
    }
    const watch: WideWatch = new WideWatch(wish, {
      outbox: this.#outbox,
      voice: this.#voice,
      isToldOtherwise: (runId) => this.#runs.has(runId) || this.#wide.hasNarrower(watch, runId),
    })
    this.#wide.add(watch)
    this.#open(watch, null, () => this.#wide.delete(watch))
  }

  #open(watch: Watch, runId: string | null, forget: () => void): void {
    const end = (error: unknown) => {
      watch.close()
      forget()
      this.#refuse(error, runId)
    }
    this.#opening += 1
    watch
      .open(this.#deps, (error) => (isTooWide(error) ? end(error) : this.#lost(error)))
      .catch(end)
      .finally(() => {
        this.#opening -= 1
      })
  }

  #unwatchRun(runId: string): void {
    this.#runs.get(runId)?.close()
    this.#runs.delete(runId)
  }

  /** Single runs too: the original knew one switch for everything. */
  #unwatchAll(): void {
    this.#wide.closeAll()
    for (const runId of [...this.#runs.keys()]) this.#unwatchRun(runId)
  }

  /** The log cannot be read: what comes next cannot be promised, so the client starts again. */
  #lost(error: Error): void {
    this.#deps.log.warn({ err: error }, 'watch lost')
    this.#outbox.close('try_later')
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

const isPlain = ({ selection, cursors, deltas, eventTypes }: WideWish): boolean =>
  selection.kind === 'all' && cursors.size === 0 && !deltas && eventTypes.length === 0

const TOO_WIDE: ErrorCode = 'SUBSCRIPTION_TOO_WIDE'
const tooMany = (message: string): AppError => new AppError(TOO_WIDE, message)
const isTooWide = (error: Error): boolean => error instanceof AppError && error.code === TOO_WIDE

/** A frame comes whole, in pieces, or as a bare buffer, whatever the library chose. */
function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data)
  return data instanceof ArrayBuffer ? Buffer.from(data) : data
}
