/**
 * The owner's pen. Events queue up and go out in numbered batches, one in flight at a time: while one commits
 * the next gathers, which beats any timer. Status changes go through the same line, so the log's order is the
 * order of what happened.
 *
 * Each batch carries (attempt, number). When the answer to a commit is lost, the run's own row tells whether
 * the batch went in; when the fence does not hold, the lease is gone and nothing more is written.
 */
import type { Kysely } from 'kysely'
import { isTransient } from '../db/pg-error.ts'
import type { Db, Tables } from '../db/tables.ts'
import { messageOf } from '../errors.ts'
import type { NewEvent, StoredEvent } from '../event/event.ts'
import { append, type RunPatch, readFence } from '../event/event-store.ts'
import type { Redactor } from '../event/redactor.ts'
import { type StorableEvent, toStorable } from '../event/storable.ts'
import type { Logger } from '../log.ts'
import { type Metrics, secondsSince } from '../metrics.ts'
import { DRIVEN_STATUSES, type RunStatus } from '../run/run.ts'

export const MAX_QUEUED_EVENTS = 512
const MAX_QUEUED_BYTES = 4 * 1024 * 1024
const MAX_BATCH_EVENTS = 100
const MAX_BATCH_BYTES = 256 * 1024
const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 2000

export interface RunWriterDeps {
  readonly db: Kysely<Tables>
  readonly redactor: Redactor
  readonly log: Logger
  readonly runId: string
  readonly attempt: number
  publish(events: readonly StoredEvent[]): void
  /** Whether the lease may still be trusted (monotonic clock). */
  isTrusted(): boolean
  /** Nobody counts where it is left out. */
  readonly metrics?: Metrics
  /** Called once when the fence did not hold. */
  lost(): void
}

export interface Change {
  readonly from: readonly RunStatus[]
  readonly patch: RunPatch
  readonly events: readonly NewEvent[]
  /** More rows in the same transaction; `events` are those of the change, as stored. */
  also?(tx: Db, events: readonly StoredEvent[]): Promise<void>
}

export class RunWriter {
  readonly #deps: RunWriterDeps
  #queue: StorableEvent[] = []
  #queuedBytes = 0
  #batch = 0
  #line: Promise<unknown> = Promise.resolve()
  #draining = false
  #lost = false
  #failure: Error | null = null
  #room: (() => void)[] = []

  constructor(deps: RunWriterDeps) {
    this.#deps = deps
  }

  /** What waits for its commit. */
  get queued(): { readonly events: number; readonly bytes: number } {
    return { events: this.#queue.length, bytes: this.#queuedBytes }
  }

  get isLost(): boolean {
    return this.#lost
  }

  /** Whether the lease may still be relied on, this very moment. */
  get isTrusted(): boolean {
    return !this.#lost && this.#deps.isTrusted()
  }

  /** Queues an event. Resolves when there is room for the next one, so a flood waits at its source. */
  async write(event: NewEvent): Promise<void> {
    this.#throwFailure()
    if (this.#lost) return
    const storable = toStorable(event, this.#deps.redactor)
    this.#queue.push(storable)
    this.#queuedBytes += sizeOf(storable)
    this.#drain()
    if (!this.#isFull()) return
    this.#deps.metrics?.count('event_writer_waits_total', {})
    await new Promise<void>((resolve) => this.#room.push(resolve))
  }

  /** Everything queued so far is in the log, or the lease is lost. */
  async flush(): Promise<void> {
    while (this.#queue.length > 0 && !this.#lost) {
      this.#drain()
      await this.#line
      this.#throwFailure()
    }
    await this.#line
    this.#throwFailure()
  }

  /**
   * What the run needs to know, asked again while the database is away and the lease can be relied on: an owner does
   * not fail a run because its database restarts.
   */
  async read<T>(ask: () => Promise<T>): Promise<T> {
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(pause * 2, LAST_RETRY_MS)) {
      try {
        return await ask()
      } catch (error) {
        if (!isTransient(error) || !this.isTrusted) throw error
        this.#deps.log.warn({ run_id: this.#deps.runId, error: messageOf(error) }, 'read delayed')
      }
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }

  /** Flushes, then changes the run together with its events. False: the lease is lost, nothing was changed. */
  async change(change: Change): Promise<boolean> {
    await this.flush()
    if (this.#lost) return false
    const events = change.events.map((event) => toStorable(event, this.#deps.redactor))
    const done = this.#line.then(() => this.#commit({ ...change, events }))
    this.#line = done.catch(() => undefined) // the caller of `change` gets the error
    return done
  }

  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    this.#line = this.#line.then(() => this.#drainAll())
  }

  async #drainAll(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#lost) {
        await this.#commit({ from: DRIVEN_STATUSES, patch: {}, events: this.#takeBatch() })
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(messageOf(error))
    } finally {
      this.#draining = false
      this.#makeRoom()
    }
  }

  #takeBatch(): StorableEvent[] {
    let bytes = 0
    let count = 0
    for (const event of this.#queue) {
      bytes += sizeOf(event)
      if (count > 0 && (count >= MAX_BATCH_EVENTS || bytes > MAX_BATCH_BYTES)) break
      count += 1
    }
    const batch = this.#queue.splice(0, count)
    for (const event of batch) this.#queuedBytes -= sizeOf(event)
    this.#makeRoom()
    return batch
  }

  /** One numbered batch, tried until it is in or the lease cannot be trusted any more. */
  async #commit(change: Omit<Change, 'events'> & { events: readonly StorableEvent[] }): Promise<boolean> {
    const batch = this.#batch + 1
    for (let delay = FIRST_RETRY_MS; !this.#lost; delay = Math.min(delay * 2, LAST_RETRY_MS)) {
      if (!this.#deps.isTrusted()) return this.#lose()
      const startedAt = performance.now()
      try {
        const stored = await this.#append(change, batch)
        this.#deps.metrics?.observe('append_duration_seconds', {}, secondsSince(startedAt))
        if (stored === null && !(await this.#wasCommitted(batch))) return this.#lose()
        this.#batch = batch
        if (stored) this.#deps.publish(stored)
        return true
      } catch (error) {
        if (!isTransient(error)) throw error
        this.#deps.log.warn({ run_id: this.#deps.runId, error: messageOf(error) }, 'append delayed')
        await new Promise((resolve) => setTimeout(resolve, delay))
      }
    }
    return false
  }

  #append(change: Omit<Change, 'events'> & { events: readonly StorableEvent[] }, batch: number) {
    const { db, runId, attempt } = this.#deps
    const { from, patch, events, also } = change
    const request = { runId, from, patch, events, fence: { attempt, batch } }
    if (!also) return append(db, request)
    return db.transaction().execute(async (tx) => {
      const stored = await append(tx, request)
      if (stored) await also(tx, stored)
      return stored
    })
  }

  /** The statement changed nothing: either it went in before and its answer was lost, or the fence is gone. */
  async #wasCommitted(batch: number): Promise<boolean> {
    const fence = await readFence(this.#deps.db, this.#deps.runId)
    return fence?.attempt === this.#deps.attempt && fence.lastBatch >= batch
  }

  #lose(): false {
    if (!this.#lost) {
      this.#lost = true
      this.#queue = []
      this.#queuedBytes = 0
      this.#makeRoom()
      this.#deps.lost()
    }
    return false
  }

  #isFull(): boolean {
    return this.#queue.length >= MAX_QUEUED_EVENTS || this.#queuedBytes >= MAX_QUEUED_BYTES
  }

  #makeRoom(): void {
    if (this.#isFull() && !this.#lost && this.#failure === null) return
    for (const resolve of this.#room.splice(0)) resolve()
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure
  }
}

const sizeOf = (event: StorableEvent): number => event.payload.length + (event.raw?.length ?? 0)
