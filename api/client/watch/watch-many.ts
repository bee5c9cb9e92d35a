/**
 * Every event of many runs, those that appear later included: of each run once and in order, through restarts of the
 * service. The runs that are at work when the watch begins start live (or behind `cursors`), later ones at their start.
 * What was missed while there was no connection is read from the log.
 */
import { ApiError } from '../errors.ts'
import { WATCH_BUFFER, WATCH_PAGE } from '../limits.ts'
import { listing } from '../list.ts'
import { allOf, type ListAnswer, type Page, pageOf } from '../page.ts'
import { path } from '../path.ts'
import { isPassing } from '../retry.ts'
import type { Run, RunDelta, RunEvent, RunEventPage } from '../types.ts'
import { checked, type Ending, type RunPlace, type Source } from './arrival.ts'
import { type LiveDeps, live, type Subscription } from './live.ts'
import { placesIn, type Selection, subscribeMany, timeIn } from './messages.ts'
import { type Hole, Positions } from './positions.ts'
import { Reconnect } from './reconnect.ts'
import { wanted } from './wanted.ts'
import type { WatchDeps, WatchOptions } from './watch-run.ts'

export interface WatchManyOptions extends Omit<WatchOptions, 'after' | 'until'> {
  /** Run id -> number of the last event that the caller has of it. */
  readonly cursors?: Readonly<Record<string, number>> | undefined
}

/** How far back runs are looked for that may have begun unseen: the clock of a row is older than its commit. */
const MARGIN_MS = 60_000

/** Ends by `break` or by its signal only. Throws as watchRun does; TypeError where there is no WebSocket. */
export async function* watchMany(
  deps: WatchDeps,
  selection: Selection,
  options: WatchManyOptions = {},
): AsyncGenerator<RunEvent | RunDelta, void> {
  if (deps.live === null) throw new TypeError('watching many runs needs a WebSocket')
  const watch = new WatchMany(deps, deps.live, selection, options)
  for (;;) {
    options.signal?.throwIfAborted()
    const ending = yield* watch.deliver(watch.source())
    watch.checked(ending)
    await watch.beforeNextTry()
  }
}

class WatchMany {
  readonly #deps: WatchDeps
  readonly #socket: LiveDeps
  readonly #selection: Selection
  readonly #options: WatchManyOptions
  readonly #positions: Positions
  readonly #reconnect: Reconnect
  readonly #isWanted: (event: RunEvent) => boolean
  /**
   * Times of the service, in milliseconds since 1970: when this connection began, when the first one did, and when the
   * last word came with a subscription in force.
   */
  #connectedAt = 0
  #beganAt: number | null = null
  #attachedAt = 0
  #names = true
  /** Since when runs may have begun unseen and were not looked for yet. */
  #unseenSince: number | null = null
  readonly #holes: Hole[] = []

  constructor(deps: WatchDeps, socket: LiveDeps, selection: Selection, options: WatchManyOptions) {
    const { signal, patienceMs } = options
    this.#deps = deps
    this.#socket = socket
    this.#selection = selection
    this.#options = options
    this.#positions = new Positions(options.cursors ?? {})
    this.#reconnect = new Reconnect({ baseUrl: deps.transport.baseUrl, signal, patienceMs })
    this.#isWanted = wanted(options.eventTypes)
  }

  source(): Source<readonly RunPlace[]> {
    const { signal, deltas = false, buffer = WATCH_BUFFER } = this.#options
    return live(this.#socket, this.#subscription(deltas), { signal, deltas, buffer })
  }

  beforeNextTry(): Promise<void> {
    return this.#reconnect.beforeNextTry(() => 'a watch over many runs waited for it')
  }

  async *deliver(source: Source<readonly RunPlace[]>): AsyncGenerator<RunEvent | RunDelta, Ending> {
    let step = await source.next()
    try {
      for (; !step.done; step = await source.next()) {
        this.#reconnect.alive()
        const arrival = step.value
        if (arrival.kind === 'delta') yield arrival.delta
        else if (arrival.kind === 'event') yield* this.#event(arrival.event)
        else yield* this.#attached(arrival.attached)
      }
      return step.value
    } catch (error) {
      // The log could not be read: what is missing of it is still in `#holes`.
      if (isPassing(error)) return { worked: true, error: null }
      throw error
    } finally {
      await source.return({ worked: true, error: null })
    }
  }

  /**
   * Throws what trying again would not mend. With very many runs at work there is no room to name those that are over:
   * then they are not named, and what they do while there is no connection goes unnoticed.
   */
  checked(ending: Ending): void {
    const isTooWide = ending.error?.code === 'SUBSCRIPTION_TOO_WIDE'
    if (!isTooWide || !this.#names) checked(ending)
    this.#names = !isTooWide
  }

  async *#event(event: RunEvent): AsyncGenerator<RunEvent, void> {
    const taken = this.#positions.take(event)
    if (taken === 'fresh' && this.#isWanted(event)) yield event
    if (taken !== 'gap') return
    const runId = event.run_id
    this.#holes.push({ runId, after: this.#positions.after(runId), through: event.sequence })
    yield* this.#fill()
  }

  async *#attached(places: readonly RunPlace[]): AsyncGenerator<RunEvent, void> {
    this.#beganAt ??= this.#connectedAt
    const since = this.#unseenSince ?? this.#attachedAt
    this.#unseenSince = since
    this.#holes.push(...this.#positions.attached(places))
    if (since > 0)
      this.#holes.push(...(await this.#begunSince(Math.max(this.#beganAt, since - MARGIN_MS), places)))
    this.#unseenSince = null
    this.#attachedAt = Math.max(this.#attachedAt, this.#connectedAt)
    yield* this.#fill()
  }

  /** A hole goes when it is read to its end: what breaks off in the middle is taken up after the next attach. */
  async *#fill(): AsyncGenerator<RunEvent, void> {
    for (let hole = this.#holes[0]; hole !== undefined; hole = this.#holes[0]) {
      yield* this.#read(hole)
      this.#holes.shift()
    }
  }

  /** Runs that began while there was no connection, and are over already: no subscription tells of them. */
  async #begunSince(time: number, places: readonly RunPlace[]): Promise<Hole[]> {
    const told = new Set(places.map(({ runId }) => runId))
    const list = allOf((pageToken) => this.#runs(pageToken))
    const holes: Hole[] = []
    for await (const { id, created_at: createdAt } of list) {
      if (Date.parse(createdAt) < time) break
      if (told.has(id) || this.#positions.knows(id)) continue
      holes.push({ runId: id, after: 0, through: Number.MAX_SAFE_INTEGER })
    }
    return holes
  }

  async #runs(pageToken: string | undefined): Promise<Page<Run>> {
    const selection = this.#selection
    const filter =
      selection === 'all'
        ? {}
        : 'taskId' in selection
          ? { task_id: selection.taskId }
          : { tag_prefix: selection.tagPrefix }
    const request = listing('/api/v1/runs', { ...filter, pageToken, signal: this.#options.signal })
    const answer = await this.#deps.transport.json<ListAnswer & { runs: Run[] }>(request)
    return pageOf(answer, answer.runs)
  }

  /** The part of a log that no subscription brings. A run that was deleted has none any more. */
  async *#read({ runId, after, through }: Hole): AsyncGenerator<RunEvent, void> {
    const logPath = path`/api/v1/runs/${runId}/events`
    let cursor = Math.max(after, this.#positions.after(runId))
    while (cursor < through) {
      const query = { after_sequence: cursor, limit: Math.min(WATCH_PAGE, through - cursor) }
      const request = { method: 'GET', path: logPath, query, signal: this.#options.signal } as const
      const page = await this.#deps.transport.json<RunEventPage>(request).catch(nothingLeft)
      for (const event of page.events) {
        if (this.#positions.take(event) === 'fresh' && this.#isWanted(event)) yield event
      }
      cursor = page.next_after_sequence
      if (!page.has_more) return
    }
  }

  #subscription(deltas: boolean): Subscription<readonly RunPlace[]> {
    return {
      ask: () => subscribeMany(this.#selection, this.#names ? this.#positions.named() : {}, deltas),
      attachedIn: placesIn,
      kept: () => undefined,
      canGoOnWithout: (runId) => {
        this.#positions.forget(runId)
        return true
      },
      heard: (frame, isAttached) => {
        const time = timeIn(frame) ?? 0
        if (isAttached) this.#attachedAt = Math.max(this.#attachedAt, time)
        else if (frame['connected'] !== undefined) this.#connectedAt = time
      },
    }
  }
}

function nothingLeft(error: unknown): RunEventPage {
  if (error instanceof ApiError && error.code === 'NOT_FOUND_RUN') {
    return { events: [], next_after_sequence: 0, has_more: false }
  }
  throw error
}
