/**
 * Every event of a run once and in order, from any number on, through restarts of the service and of the network in
 * between. The number of the last event is all that is remembered: whatever happens, it goes on behind that.
 */
import { UnreachableError } from '../errors.ts'
import { FUTILE_SOCKETS, PATIENCE_MS, WATCH_BUFFER } from '../limits.ts'
import { backoffMs, pause } from '../pause.ts'
import type { Transport } from '../transport.ts'
import type { RunDelta, RunEvent } from '../types.ts'
import type { Ending, Source } from './arrival.ts'
import { Follow, type Until } from './follow.ts'
import { type LiveDeps, live } from './live.ts'
import { polled } from './polled.ts'

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
const RECONNECT = { baseMs: 100, maxMs: 5000 }
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
  readonly #isWanted: (event: RunEvent) => boolean
  #aliveAt = performance.now()
  #failures = 0
  #futileSockets = 0
  #gaps = 0

  constructor(deps: WatchDeps, runId: string, options: WatchOptions) {
    this.#deps = deps
    this.#runId = runId
    this.#options = options
    this.#follow = new Follow(options.after ?? 0, options.until ?? 'terminal')
    this.#isWanted = wanted(options.eventTypes)
  }

  source(): Source {
    const { signal, deltas = false, buffer = WATCH_BUFFER } = this.#options
    const wish = { runId: this.#runId, after: this.#follow.cursor, deltas, buffer, signal }
    const { transport, live: socket } = this.#deps
    return socket !== null && this.#futileSockets < FUTILE_SOCKETS
      ? this.#counted(live(socket, wish))
      : this.#uncounted(polled(transport, wish, POLL_FOR_MS))
  }

  /** What the consumer wants of a source. @returns whether the watch is over */
  async *deliver(source: Source): AsyncGenerator<RunEvent | RunDelta, boolean> {
    try {
      for (let step = await source.next(); !step.done; step = await source.next()) {
        const arrival = step.value
        if (arrival.kind === 'delta') yield arrival.delta
        else if (arrival.kind === 'attached') this.#attached(arrival.through, arrival.status)
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

  async beforeNextTry(): Promise<void> {
    const { signal, patienceMs = PATIENCE_MS } = this.#options
    signal?.throwIfAborted()
    if (performance.now() - this.#aliveAt > patienceMs) {
      throw new UnreachableError(
        this.#deps.transport.baseUrl,
        `the watch of run ${this.#runId} stands after event ${this.#follow.cursor}`,
      )
    }
    this.#failures += 1
    await pause(backoffMs(this.#failures, RECONNECT), signal)
  }

  /** Sockets that do not open are counted: where nothing but they fail, long poll takes over. */
  async *#counted(source: Source): Source {
    const ending = yield* source
    this.#futileSockets = ending.worked ? 0 : this.#futileSockets + 1
    return checked(ending)
  }

  /** Afterwards a WebSocket gets one more try; all of them where plain requests failed as well. */
  async *#uncounted(source: Source): Source {
    const ending = yield* source
    this.#futileSockets = ending.worked ? FUTILE_SOCKETS - 1 : 0
    return checked(ending)
  }

  #attached(through: number, status: string | null): void {
    this.#alive()
    this.#follow.attached(through, status)
  }

  #take(event: RunEvent): 'fresh' | 'repeat' | 'gap' {
    const taken = this.#follow.take(event)
    if (taken === 'fresh') {
      this.#alive()
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

  #alive(): void {
    this.#aliveAt = performance.now()
    this.#failures = 0
  }
}

function checked(ending: Ending): Ending {
  if (ending.error !== null) throw ending.error
  return ending
}

function wanted(eventTypes: readonly string[] | undefined): (event: RunEvent) => boolean {
  if (eventTypes === undefined || eventTypes.length === 0) return () => true
  const names = new Set(eventTypes.map((name) => name.toLowerCase().replace(/^run_event_type_/, '')))
  return (event) =>
    names.has(event.event_type.replace(/^RUN_EVENT_TYPE_/, '').toLowerCase()) ||
    Object.keys(event).some((member) => names.has(member))
}
