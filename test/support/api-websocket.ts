/** The two ends of api/ws for its tests: a feed driven by hand, and a client that keeps every frame. */
import { WebSocket } from 'ws'
import type { ApiDeps, EventUseCases } from '../../api/deps.ts'
import { buildServer } from '../../api/server.ts'
import { AppError } from '../../internal/errors.ts'
import { apiDeps } from './api-deps.ts'
import { RUN_ID } from './api-values.ts'

export type Watch = Parameters<EventUseCases['subscribe']>[0]
type WatchAll = Parameters<EventUseCases['subscribeAll']>[0]

/** A feed that a test drives by hand. */
export class Feed {
  readonly watches: Watch[] = []
  readonly all: WatchAll[] = []
  closed = 0
  /** Runs before `subscribe` answers. */
  before: (watch: Watch) => Promise<void> | void = () => undefined

  readonly useCases: ApiDeps['events'] = {
    read: () => Promise.reject(new Error('not here')),
    subscribe: async (watch) => {
      this.watches.push(watch)
      await this.before(watch)
      if (watch.runId !== RUN_ID) throw new AppError('NOT_FOUND_RUN', `There is no run ${watch.runId}.`)
      const from = (watch.afterSequence ?? 2) + 1
      return { from, through: 2, status: 'running', close: () => void this.closed++ }
    },
    subscribeAll: (watch) => {
      this.all.push(watch)
      return { close: () => void this.closed++ }
    },
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
