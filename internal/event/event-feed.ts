/**
 * Who watches which run. Writers of this replica publish what they committed; a slow poll of the runs' own
 * counters finds what other replicas wrote, so a missed hint costs a second and never an event.
 */
import { messageOf } from '../errors.ts'
import type { Delta } from '../runner/port.ts'
import type { StoredEvent } from './event.ts'
import { Subscription } from './subscription.ts'
import { type Watcher, WideFeed, type WideFeedDeps, type WideRequest } from './wide-feed.ts'

const POLL_MS = 1000

export interface FeedDeps extends WideFeedDeps {
  /** The counters of these runs. */
  lastSeqs(runIds: readonly string[]): Promise<ReadonlyMap<string, number>>
}

interface Entry {
  readonly subscription: Subscription
  readonly watcher: Watcher
}

export class EventFeed {
  readonly #deps: FeedDeps
  readonly #runs = new Map<string, Set<Entry>>()
  readonly #wide: WideFeed
  #poll: NodeJS.Timeout | null = null
  #polling = false

  constructor(deps: FeedDeps) {
    this.#deps = deps
    this.#wide = new WideFeed(deps)
  }

  start(): void {
    this.#poll ??= setInterval(() => {
      void this.#catchUp()
      void this.#wide.look()
    }, POLL_MS)
  }

  /** Ends every subscription. */
  stop(): void {
    if (this.#poll) clearInterval(this.#poll)
    this.#poll = null
    for (const entries of this.#runs.values()) for (const entry of entries) entry.subscription.close()
    this.#runs.clear()
    this.#wide.stop()
  }

  /** How much is being watched: runs by themselves, and watchers of many runs. */
  get watched(): { readonly runs: number; readonly wide: number } {
    return { runs: this.#runs.size, wide: this.#wide.size }
  }

  /** Whether somebody on this replica watches the run just now. */
  isWatched(runId: string): boolean {
    return this.#runs.has(runId) || this.#wide.covers(runId)
  }

  /** To be called after the commit, with events of one run. */
  publish(events: readonly StoredEvent[]): void {
    const first = events[0]
    if (!first) return
    for (const entry of this.#runs.get(first.runId) ?? []) entry.subscription.push(events)
    this.#wide.publish(events)
  }

  publishDelta(runId: string, turn: number, delta: Delta): void {
    for (const { subscription, watcher } of this.#runs.get(runId) ?? []) {
      if (subscription.isLive) watcher.delta?.(runId, turn, delta)
    }
    this.#wide.publishDelta(runId, turn, delta)
  }

  /**
   * Watches one run.
   * @param after null: from the high-water mark on
   * @param highWater reads the run's counter; called after the watcher is registered
   */
  async attach(
    runId: string,
    after: number | null,
    watcher: Watcher,
    highWater: () => Promise<number>,
  ): Promise<{ from: number; through: number; close(): void }> {
    const entry = this.#register(runId, after ?? 0, watcher)
    const close = () => this.#unregister(runId, entry)
    try {
      const through = await highWater()
      if (after === null) entry.subscription.skipTo(through)
      const from = entry.subscription.cursor + 1
      entry.subscription.advance(through)
      void entry.subscription.run()
      return { from, through, close }
    } catch (error) {
      close()
      throw error
    }
  }

  /** Watches many runs. @throws SUBSCRIPTION_TOO_WIDE, or the database's error */
  attachMany(request: WideRequest): ReturnType<WideFeed['attach']> {
    return this.#wide.attach(request)
  }

  #register(runId: string, cursor: number, watcher: Watcher): Entry {
    const subscription = new Subscription(cursor, {
      read: (from, limit) => this.#deps.read(runId, from, limit),
      deliver: (events) => watcher.deliver(events),
      failed: (error) => watcher.failed(error),
    })
    const entry = { subscription, watcher }
    const entries = this.#runs.get(runId) ?? new Set()
    this.#runs.set(runId, entries.add(entry))
    return entry
  }

  #unregister(runId: string, entry: Entry): void {
    entry.subscription.close()
    const entries = this.#runs.get(runId)
    entries?.delete(entry)
    if (entries?.size === 0) this.#runs.delete(runId)
  }

  async #catchUp(): Promise<void> {
    if (this.#polling || this.#runs.size === 0) return
    this.#polling = true
    try {
      for (const [runId, seq] of await this.#deps.lastSeqs([...this.#runs.keys()])) {
        for (const entry of this.#runs.get(runId) ?? []) entry.subscription.advance(seq)
      }
    } catch (error) {
      this.#deps.log.warn({ error: messageOf(error) }, 'feed poll failed') // the next poll tries again
    } finally {
      this.#polling = false
    }
  }
}
