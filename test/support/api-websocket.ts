/** The two ends of api/ws for its tests: a feed driven by hand, and a client that keeps every frame. */
import { WebSocket } from 'ws'
import type { ApiDeps, EventUseCases } from '../../api/deps.ts'
import { wants } from '../../api/schemas/run-event.ts'
import { buildServer } from '../../api/server.ts'
import { AppError } from '../../internal/errors.ts'
import type { StoredEvent } from '../../internal/event/event.ts'
import type { RunStatus } from '../../internal/run/run.ts'
import { apiDeps } from './api-deps.ts'
import { RUN_ID } from './api-values.ts'

export type Watch = Parameters<EventUseCases['subscribe']>[0]
export type WatchMany = Parameters<EventUseCases['subscribeMany']>[0]
type Followed = Awaited<ReturnType<EventUseCases['subscribeMany']>>['runs']

/** A feed that a test drives by hand. */
export class Feed {
  readonly watches: Watch[] = []
  readonly many: WatchMany[] = []
  /** Runs that a watch over many starts with. */
  followed: Followed = []
  closed = 0
  /** Of the run, at the attach. */
  status: RunStatus = 'running'
  /** What `read` finds. */
  log: StoredEvent[] = []
  reads = 0
  /** Runs before `subscribe` answers. */
  before: (watch: Watch) => Promise<void> | void = () => undefined

  /** Runs before `subscribeMany` answers. */
  beforeMany: (watch: WatchMany) => Promise<void> | void = () => undefined
  /** What a status event makes of the run's task. */
  taskOf: (event: StoredEvent) => Awaited<ReturnType<EventUseCases['taskStatus']>> = () => null
  position: Awaited<ReturnType<EventUseCases['position']>> = { lastSequence: 2, status: 'running' }

  readonly useCases: ApiDeps['events'] = {
    read: async (runId, { afterSequence, limit, types }) => {
      this.reads += 1
      if (runId !== RUN_ID) throw new AppError('NOT_FOUND_RUN', `There is no run ${runId}.`)
      const due = this.log.filter(({ seq, name }) => seq > afterSequence && wants(types, name))
      return {
        events: due.slice(0, limit).map((event) => ({ ...event, raw: 'printed' })),
        hasMore: due.length > limit,
      }
    },
    subscribe: async (watch) => {
      this.watches.push(watch)
      await this.before(watch)
      if (watch.runId !== RUN_ID) throw new AppError('NOT_FOUND_RUN', `There is no run ${watch.runId}.`)
      const from = (watch.afterSequence ?? 2) + 1
      return { from, through: 2, status: this.status, close: () => void this.closed++ }
    },
    subscribeMany: async (watch) => {
      this.many.push(watch)
      await this.beforeMany(watch)
      const runs = this.followed
      return { runs, covers: () => true, close: () => void this.closed++ }
    },
    taskStatus: async (event) => this.taskOf(event),
    position: async () => this.position,
  }
}

export interface Frame {
  readonly type: string
  readonly [member: string]: unknown
}

/** A client that keeps every frame and lets a test wait for the next one. */
export class Client {
  readonly socket: WebSocket
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #frames: Frame[] = []
  #wake: () => void = () => undefined

  constructor(url: string) {
    this.socket = new WebSocket(url)
    this.socket.on('message', (data: Buffer) => {
      this.#frames.push(JSON.parse(data.toString()))
      this.#wake()
    })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
  }

  /** The next frame, with the long prefix of its type left out. Fails after two seconds. */
  async next(): Promise<Frame> {
    const deadline = AbortSignal.timeout(2000)
    while (this.#frames.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        deadline.addEventListener('abort', () => reject(new Error('no frame came')), { once: true })
      })
    }
    const frame = this.#frames.shift()!
    return { ...frame, type: frame.type.replace('AGENT_MANAGER_WS_MESSAGE_TYPE_', '') }
  }

  send(type: string, members: object = {}): void {
    this.sendText(JSON.stringify({ type: `AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_${type}`, ...members }))
  }

  sendText(text: string): void {
    this.socket.send(text)
  }

  /** Frames up to the one that is the `count`th of a type, it included. */
  async untilFrame(type: string, count = 1): Promise<Frame[]> {
    const frames: Frame[] = []
    for (let seen = 0; seen < count; ) {
      const frame = await this.next()
      frames.push(frame)
      if (frame.type === type) seen += 1
    }
    return frames
  }

  /** Everything sent before has been answered once the pong is there. */
  async untilPong(): Promise<Frame[]> {
    this.send('PING')
    const before: Frame[] = []
    for (;;) {
      const frame = await this.next()
      if (frame.type === 'PONG') return before
      before.push(frame)
    }
  }
}

/** A listening server over a feed; `cleanups` gets what undoes it and its clients, last first. */
export async function serve(
  cleanups: (() => unknown)[],
  feed: Feed = new Feed(),
  change: Partial<ApiDeps> = {},
) {
  const app = await buildServer(apiDeps({ events: feed.useCases, ...change }).deps)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  cleanups.push(() => app.close())
  const url = `${address.replace('http', 'ws')}/api/v1/ws`
  const connect = async () => {
    const client = new Client(url)
    cleanups.push(() => client.socket.terminate())
    const { type } = await client.next()
    if (type !== 'CONNECTED') throw new Error(`the first frame was ${type}`)
    return client
  }
  return { app, feed, url, address, connect }
}
