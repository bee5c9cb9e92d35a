/** A reader that loses its connection again and again, and goes on where it stands. */
import { type Connection, openSocket, openSse, type Start, type Told } from './connections.ts'
import { Ledger, type Wish } from './ledger.ts'
import type { Random } from './random.ts'

const ENDS = ['cut', 'cutInTheMiddle', 'close'] as const
type End = (typeof ENDS)[number]

export interface ReaderOptions {
  readonly url: string
  readonly over: 'websocket' | 'sse'
  readonly wish: Wish
  readonly isFiltered: boolean
  /** When the creation of a run began, where that is known. */
  createdAt(runId: string): number | null
}

/** Names of events as a filter, and the type they have on the wire. */
const FILTER = { ask: ['message', 'log'], types: ['RUN_EVENT_TYPE_MESSAGE', 'RUN_EVENT_TYPE_LOG'] }

export class Reader {
  readonly ledger: Ledger
  readonly name: string
  readonly ends: Record<End | 'lost' | 'slow', number> = {
    cut: 0,
    cutInTheMiddle: 0,
    close: 0,
    lost: 0,
    slow: 0,
  }
  readonly refusals: string[] = []
  connections = 0
  readonly #options: ReaderOptions
  readonly #random: Random
  #connection: Connection | null = null
  #subscribedOnce = false

  constructor(options: ReaderOptions, random: Random) {
    this.#options = options
    this.#random = random
    this.name = `${options.over} ${JSON.stringify(options.wish)}${options.isFiltered ? ' filtered' : ''}`
    this.ledger = new Ledger(options.wish, options.isFiltered ? FILTER.types : null)
  }

  /** Reads and drops until `calm` says that it is enough, then stays. */
  async run(calm: () => boolean): Promise<void> {
    while (!calm()) {
      this.#connection = this.#open()
      await this.#live(this.#connection, calm)
      if (!calm()) await pause(this.#random.int(0, 300))
    }
  }

  /** Stays connected until `done`, coming back where the service hangs up. */
  async stay(done: () => boolean): Promise<void> {
    while (!done()) {
      this.#connection ??= this.#open()
      const { over } = this.#connection
      const isOver = await Promise.race([over.then(() => true), pause(200).then(() => false)])
      if (isOver) this.#lost()
    }
    this.#connection?.close()
  }

  /** One connection: sometimes slow, ended at a moment and in a way that nobody expects. */
  async #live(connection: Connection, calm: () => boolean): Promise<void> {
    const random = this.#random
    const end = performance.now() + random.int(20, 3000)
    let isOver = false
    void connection.over.then(() => {
      isOver = true
    })
    while (performance.now() < end && !isOver && !calm()) {
      if (random.chance(0.1)) {
        this.ends.slow += 1
        connection.pause()
        await pause(random.int(50, 1500))
        connection.resume()
      } else await Promise.race([connection.over, pause(random.int(10, 300))])
    }
    if (calm() && !isOver) return
    if (isOver) return this.#lost()
    const how = random.pick(ENDS)
    this.ends[how] += 1
    connection[how]()
    // Where nothing comes any more there is no middle to be cut in.
    await Promise.race([connection.over, pause(500).then(() => connection.cut())])
    await connection.over
    this.#connection = null
  }

  #lost(): void {
    this.ends.lost += 1
    this.#connection = null
  }

  #open(): Connection {
    this.connections += 1
    const { url, over, wish, isFiltered, createdAt } = this.#options
    const told: Told = {
      subscribed: (starts: readonly Start[]) => {
        this.#subscribedOnce = true
        this.ledger.subscribed(starts, performance.now())
      },
      event: (runId, event) => this.ledger.event(runId, event, createdAt(runId)),
      refused: (what) => void this.refusals.push(what),
    }
    const ask = isFiltered ? FILTER.ask : null
    if (over === 'sse' && wish.kind === 'run') {
      const cursor = this.#subscribedOnce ? this.ledger.cursor(wish.runId) : null
      return openSse(url, wish.runId, { cursor, types: ask, told })
    }
    return openSocket(url, wish, { cursors: this.ledger.cursors(), types: ask, told })
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
