/**
 * Every event of a run once and in order, from any number on, through restarts of the service and of the network in
 * between. The number of the last event is all that is remembered: whatever happens, it goes on behind that.
 */
import { FUTILE_SOCKETS, WATCH_BUFFER } from '../limits.ts'
import type { Transport } from '../transport.ts'
import type { RunDelta, RunEvent } from '../types.ts'
import { checked, type RunAttached, type Source } from './arrival.ts'
import { Follow, type Until } from './follow.ts'
import { type LiveDeps, live, type Subscription } from './live.ts'
import { subscribe, subscribedIn } from './messages.ts'
import { polled } from './polled.ts'
import { Reconnect } from './reconnect.ts'
import { wanted } from './wanted.ts'

export interface WatchOptions {
  /** Only events above this number; default 0: from the start. */
  readonly after?: number | undefined
  /** Default `terminal`. */
  readonly until?: Until | undefined
  /** Also text on its way, not numbered and not kept: `RunDelta` between the events. */
  readonly deltas?: boolean | undefined
  /**
   * Only these, by event type (`RUN_EVENT_TYPE_MESSAGE` or `message`) or payload member (`rate_limit`). They are
   * picked here: the whole log is read, so that no gap goes unnoticed.
   */
  readonly eventTypes?: readonly string[] | undefined
  readonly signal?: AbortSignal | undefined
  /** Events that may wait for the consumer; default 1000. */
  readonly buffer?: number | undefined
  /** Milliseconds without the service after which the watch fails; default 300 000. */
  readonly patienceMs?: number | undefined
}

export interface WatchDeps {
  readonly transport: Transport
  /** null: by long poll only. */
  readonly live: LiveDeps | null
}

/** How long a watch stays with long poll before it tries a WebSocket again. */
const POLL_FOR_MS = 60_000
/** A log that goes on behind a number that does not exist, so often in a row, is no accident of the connection. */
const MAX_GAPS = 5

/**
 * Ends as `until` says. Throws ApiError (no such run), UnreachableError (gone for longer than `patienceMs`), or the
 * reason of the signal.
 */
export async function* watchRun(
  deps: WatchDeps,
  runId: string,
  options: WatchOptions = {},
): AsyncGenerator<RunEvent | RunDelta, void> {
  const watch = new Watch(deps, runId, options)
  for (;;) {
    options.signal?.throwIfAborted()
    const isOver = yield* watch.deliver(watch.source())
    if (isOver) return
    await watch.beforeNextTry()
  }
}

class Watch {
  readonly #deps: WatchDeps
  readonly #runId: string
  readonly #options: WatchOptions
  readonly #follow: Follow
  readonly #reconnect: Reconnect
  readonly #isWanted: (event: RunEvent) => boolean
  #futileSockets = 0
  #gaps = 0

  constructor(deps: WatchDeps, runId: string, options: WatchOptions) {
    const { signal, patienceMs } = options
    this.#deps = deps
    this.#runId = runId
    this.#options = options
    this.#follow = new Follow(options.after ?? 0, options.until ?? 'terminal')
    this.#reconnect = new Reconnect({ baseUrl: deps.transport.baseUrl, signal, patienceMs })
    this.#isWanted = wanted(options.eventTypes)
  }

  source(): Source<RunAttached> {
    const { signal, deltas = false, buffer = WATCH_BUFFER } = this.#options
    const wish = { deltas, buffer, signal }
    const { transport, live: socket } = this.#deps
    const from = { runId: this.#runId, after: this.#follow.cursor }
    return socket !== null && this.#futileSockets < FUTILE_SOCKETS
      ? this.#counted(live(socket, oneRun(from.runId, from.after, deltas), wish))
      : this.#uncounted(polled(transport, from, wish, POLL_FOR_MS))
  }

  /** What the consumer wants of a source. @returns whether the watch is over */
  async *deliver(source: Source<RunAttached>): AsyncGenerator<RunEvent | RunDelta, boolean> {
    try {
      for (let step = await source.next(); !step.done; step = await source.next()) {
        const arrival = step.value
        if (arrival.kind === 'delta') yield arrival.delta
        else if (arrival.kind === 'attached') this.#attached(arrival.attached)
        else {
          const taken = this.#take(arrival.event)
          if (taken === 'gap') return false
          if (taken === 'fresh' && this.#isWanted(arrival.event)) yield arrival.event
        }
        if (this.#follow.isOver) return true
      }
      return false
    } finally {
      await source.return({ worked: true, error: null })
    }
  }

  beforeNextTry(): Promise<void> {
    const standing = () => `the watch of run ${this.#runId} stands after event ${this.#follow.cursor}`
    return this.#reconnect.beforeNextTry(standing)
  }

  /** Sockets that do not open are counted: where nothing but they fail, long poll takes over. */
  async *#counted(source: Source<RunAttached>): Source<RunAttached> {
    const ending = yield* source
    this.#futileSockets = ending.worked ? 0 : this.#futileSockets + 1
    return checked(ending)
  }

  /** Afterwards a WebSocket gets one more try; all of them where plain requests failed as well. */
  async *#uncounted(source: Source<RunAttached>): Source<RunAttached> {
    const ending = yield* source
    this.#futileSockets = ending.worked ? FUTILE_SOCKETS - 1 : 0
    return checked(ending)
  }

  #attached({ through, status }: RunAttached): void {
    this.#reconnect.alive()
    this.#follow.attached(through, status)
  }

  #take(event: RunEvent): 'fresh' | 'repeat' | 'gap' {
    const taken = this.#follow.take(event)
    if (taken === 'fresh') {
      this.#reconnect.alive()
      this.#gaps = 0
    }
    if (taken === 'gap') {
      this.#gaps += 1
      if (this.#gaps >= MAX_GAPS) {
        throw new RangeError(`run ${this.#runId} has no event ${this.#follow.cursor + 1} any more`)
      }
    }
    return taken
  }
}

function oneRun(runId: string, after: number, deltas: boolean): Subscription<RunAttached> {
  let cursor = after
  return {
    ask: () => subscribe(runId, cursor, deltas),
    attachedIn: subscribedIn,
    kept: ({ sequence }) => {
      cursor = sequence
    },
    canGoOnWithout: () => false,
  }
}
