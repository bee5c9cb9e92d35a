/**
 * Who watches many runs. Batches of this replica go to those who know the run; a look at the roster (once a second,
 * and at once when somebody misses a run) finds runs that appeared and what other replicas wrote. Only the roster
 * says what there is: a missed hint costs a second and never an event.
 */
import { AppError, messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Delta } from '../runner/port.ts'
import type { StoredEvent } from './event.ts'
import { ROSTER_MARGIN_MS, type RosterRow, type Snapshot } from './roster-store.ts'
import type { RunFacts, RunSelection } from './run-selection.ts'
import { WideSubscription } from './wide-subscription.ts'

/** Runs whose task and tag are remembered, so that nobody looks for a run that nobody wants. */
const MAX_FACTS = 20_000

export interface Watcher {
  deliver(events: readonly StoredEvent[]): Promise<void>
  delta?(runId: string, turn: number, delta: Delta): void
  failed(error: Error): void
}

export interface WideRequest extends Watcher {
  readonly selection: RunSelection
  /** Runs to be replayed, each above a number; the others start live, those that appear later at 1. */
  readonly cursors: ReadonlyMap<string, number>
  /** Unfinished or named runs it may start with. */
  readonly maxStart: number
  /** Runs it may follow in the end. */
  readonly maxRuns: number
}

export interface WideFeedDeps {
  readonly log: Logger
  read(runId: string, after: number, limit: number): Promise<readonly StoredEvent[]>
  lastSeqAt(runId: string, at: Date): Promise<number>
  snapshot(selection: RunSelection, named: readonly string[], limit: number): Promise<Snapshot>
  changed(since: Date): Promise<{ now: Date; from: Date; runs: readonly RosterRow[] }>
}

export class WideFeed {
  readonly #deps: WideFeedDeps
  readonly #watchers = new Map<WideSubscription, Watcher>()
  readonly #facts = new Map<string, RunFacts>()
  /** When the roster was looked at last, by the database's clock; null: nobody watches. */
  #since: Date | null = null
  #looking = false
  #lookAgain = false

  constructor(deps: WideFeedDeps) {
    this.#deps = deps
  }

  get size(): number {
    return this.#watchers.size
  }

  covers(runId: string): boolean {
    return [...this.#watchers.keys()].some((subscription) => subscription.covers(runId))
  }

  publish(events: readonly StoredEvent[]): void {
    const runId = events[0]?.runId
    if (runId === undefined) return
    const facts = this.#facts.get(runId)
    for (const subscription of this.#watchers.keys()) {
      if (subscription.push(events)) continue
      if (!facts || subscription.misses(runId, facts)) void this.look()
    }
  }

  publishDelta(runId: string, turn: number, delta: Delta): void {
    for (const [subscription, watcher] of this.#watchers) {
      if (subscription.isLive(runId)) watcher.delta?.(runId, turn, delta)
    }
  }

  /** @throws SUBSCRIPTION_TOO_WIDE, or the database's error */
  async attach(request: WideRequest): Promise<{
    snapshot: Snapshot
    covers(runId: string): boolean
    close(): void
  }> {
    const { selection, cursors, maxStart } = request
    const subscription = this.#subscription(request)
    // Registered before the snapshot: what comes after it is kept.
    this.#watchers.set(subscription, request)
    const close = () => this.#detach(subscription)
    try {
      const snapshot = await this.#deps.snapshot(selection, [...cursors.keys()], maxStart)
      const start = snapshot.runs.filter(({ id, isFinished }) => !isFinished || cursors.has(id))
      if (start.length > maxStart) throw tooWide(maxStart)
      this.#since ??= snapshot.now
      for (const run of snapshot.runs) this.#remember(run)
      subscription.open(snapshot, cursors)
      void subscription.run()
      const covers = (runId: string) => subscription.covers(runId)
      return { snapshot: { ...snapshot, runs: start }, covers, close }
    } catch (error) {
      close()
      throw error
    }
  }

  /** Looks at the roster for all; while a look is on its way, one more follows it. */
  async look(): Promise<void> {
    if (this.#looking) {
      this.#lookAgain = true
      return
    }
    this.#looking = true
    try {
      do {
        this.#lookAgain = false
        await this.#lookOnce()
      } while (this.#lookAgain)
    } catch (error) {
      this.#deps.log.warn({ error: messageOf(error) }, 'roster not read') // the next look goes back as far
    } finally {
      this.#looking = false
    }
  }

  /** Ends every subscription. */
  stop(): void {
    for (const subscription of [...this.#watchers.keys()]) this.#detach(subscription)
  }

  async #lookOnce(): Promise<void> {
    if (this.#since === null || this.#watchers.size === 0) return
    const { now, from, runs } = await this.#deps.changed(this.#since)
    for (const run of runs) {
      this.#remember(run)
      for (const subscription of this.#watchers.keys()) subscription.see(run, from)
    }
    if (this.#watchers.size > 0) this.#since = now
  }

  #subscription(request: WideRequest): WideSubscription {
    const subscription: WideSubscription = new WideSubscription({
      selection: request.selection,
      maxRuns: request.maxRuns,
      marginMs: ROSTER_MARGIN_MS,
      read: (runId, after, limit) => this.#deps.read(runId, after, limit),
      lastSeqAt: (runId, at) => this.#deps.lastSeqAt(runId, at),
      deliver: (events) => request.deliver(events),
      failed: (error) => {
        this.#detach(subscription)
        request.failed(error)
      },
      tooWide: () => tooWide(request.maxRuns),
    })
    return subscription
  }

  #detach(subscription: WideSubscription): void {
    subscription.close()
    this.#watchers.delete(subscription)
    if (this.#watchers.size === 0) this.#since = null
  }

  #remember({ id, taskId, tag, createdAt }: RosterRow): void {
    this.#facts.delete(id)
    this.#facts.set(id, { taskId, tag, createdAt })
    const [oldest] = this.#facts.keys()
    if (this.#facts.size > MAX_FACTS && oldest !== undefined) this.#facts.delete(oldest)
  }
}

const tooWide = (most: number): AppError =>
  new AppError(
    'SUBSCRIPTION_TOO_WIDE',
    `These are more than ${most} runs that are unfinished or named; ask for a task, a longer tag prefix or single runs.`,
  )
