/** One reader of one run over server-sent events. */
import type { FastifyReply } from 'fastify'
import type { StoredEvent } from '../../internal/event/event.ts'
import type { ApiDeps } from '../deps.ts'
import type { StreamLimits } from '../limits.ts'
import { type HttpSink, httpSink } from './http-sink.ts'
import type { OpenStreams } from './open-streams.ts'
import { Outbox } from './outbox.ts'
import { RunWatch, type RunWish } from './run-watch.ts'
import { endMessage, FAREWELL, HEARTBEAT, sseVoice } from './sse.ts'
import { Told } from './told.ts'

const STREAM = { contentType: 'text/event-stream; charset=utf-8', farewell: FAREWELL }

export interface EventStreamDeps extends Pick<ApiDeps, 'events' | 'interactions' | 'log' | 'metrics'> {
  readonly streams: OpenStreams
  readonly limits: StreamLimits
}

export interface EventStreamWish extends RunWish {
  readonly afterSequence: number
  /** Ends when the run is finished and everything is told. */
  readonly untilTerminal: boolean
}

export class EventStream {
  readonly #deps: EventStreamDeps
  readonly #wish: EventStreamWish
  readonly #reply: FastifyReply
  readonly #sink: HttpSink
  readonly #outbox: Outbox
  readonly #watch: RunWatch
  readonly #told: Told
  #heartbeat: NodeJS.Timeout | null = null

  /** Takes its place. @throws CAPACITY_CONNECTIONS, DRAINING */
  constructor(reply: FastifyReply, wish: EventStreamWish, deps: EventStreamDeps) {
    this.#deps = deps
    this.#wish = wish
    this.#reply = reply
    this.#told = new Told(wish, deps.events)
    this.#sink = httpSink(reply, STREAM)
    const place = deps.streams.open('sse', {
      end: () => this.#outbox.close('restart'),
      cut: () => this.#sink.cut(),
    })
    this.#sink.onEnd(() => place.close())
    this.#outbox = new Outbox(this.#sink, deps.limits, deps.metrics, () => this.#stop())
    this.#watch = new RunWatch(wish, {
      outbox: this.#outbox,
      voice: sseVoice,
      delivered: (events) => this.#delivered(events),
    })
  }

  /** Resolves when it is open; rejects before anything was sent. */
  async open(): Promise<void> {
    try {
      const subscribed = await this.#watch.open(this.#deps, (error) => this.#lost(error))
      if (subscribed === null) {
        // The reader has hung up, or the service stops: there is nobody to answer.
        this.#reply.hijack()
        return
      }
      this.#told.start(subscribed)
    } catch (error) {
      this.#watch.close()
      throw error
    }
    this.#heartbeat = setInterval(() => {
      if (!this.#outbox.isFull) this.#outbox.send(HEARTBEAT)
    }, this.#deps.limits.heartbeatMs)
    await this.#endWhenDone().catch((error: unknown) => this.#lost(error))
  }

  async #delivered(events: readonly StoredEvent[]): Promise<void> {
    this.#told.take(events)
    await this.#endWhenDone()
  }

  async #endWhenDone(): Promise<void> {
    if (!this.#wish.untilTerminal) return
    const end = await this.#told.whole()
    if (end === null || !this.#sink.isOpen) return
    this.#outbox.send(endMessage(this.#wish.runId, end.status, end.lastSequence))
    this.#stop()
    this.#sink.finish()
  }

  /** The log cannot be read: the reader comes back and goes on where it stands. */
  #lost(error: unknown): void {
    this.#deps.log.warn({ err: error }, 'event stream lost')
    this.#outbox.close('restart')
  }

  #stop(): void {
    if (this.#heartbeat) clearInterval(this.#heartbeat)
    this.#watch.close()
  }
}
