/**
 * One reader of many runs. It remembers a number per run and goes from run to run with something new, one at a
 * time. A run that it does not know yet, when it is told of it, is either new (then it starts at 1) or was
 * finished and quiet all the while (then it starts where it stood).
 */
import type { StoredEvent } from './event.ts'
import { patiently } from './patience.ts'
import type { RosterRow, Snapshot } from './roster-store.ts'
import { type RunFacts, type RunSelection, selects } from './run-selection.ts'
import { RunTail } from './run-tail.ts'

/** Events kept in memory for one reader, all runs together. */
const BUFFER_EVENTS = 2048
/** Above this many runs those that have long been quiet are forgotten. */
const TIDY_RUNS = 1000
/** Longer than any gap between two looks at the roster that is not an outage. */
const QUIET_MS = 10 * 60_000

export interface WideDeps {
  readonly selection: RunSelection
  /** Runs it follows at most; one more ends it. */
  readonly maxRuns: number
  /** How far back a look at the roster goes, in ms. */
  readonly marginMs: number
  read(runId: string, after: number, limit: number): Promise<readonly StoredEvent[]>
  /** The number of the last event of a run that was written by a time. */
  lastSeqAt(runId: string, at: Date): Promise<number>
  deliver(events: readonly StoredEvent[]): Promise<void>
  failed(error: Error): void
  tooWide(): Error
}

interface Known {
  readonly tail: RunTail
  /** Starts with what came after this time; null: where it starts is known. */
  startsAfter: Date | null
  lastMoved: number
}

export class WideSubscription {
  readonly #deps: WideDeps
  readonly #known = new Map<string, Known>()
  /** Runs with something to deliver. */
  readonly #ready = new Set<string>()
  /** Rows that came before the snapshot. */
  #early: Map<string, { row: RosterRow; from: Date }> | null = new Map()
  #openedAt = new Date(0)
  #buffered = 0
  #wake: (() => void) | null = null
  #closed = false

  constructor(deps: WideDeps) {
    this.#deps = deps
  }

  /** Runs it knows of. */
  get size(): number {
    return this.#known.size
  }

  /** Whether events of this run come this way. */
  covers(runId: string): boolean {
    return this.#known.has(runId) || this.#deps.selection.kind === 'all'
  }

  /** Whether everything of this run that we know of is delivered. */
  isLive(runId: string): boolean {
    const known = this.#known.get(runId)
    return known !== undefined && known.startsAfter === null && known.tail.isLive
  }

  /**
   * Takes the snapshot as its start: named runs above their cursors, the others from here on. What came in the
   * meantime comes behind it.
   */
  open(snapshot: Snapshot, cursors: ReadonlyMap<string, number>): void {
    this.#openedAt = snapshot.now
    for (const { id, lastSeq } of snapshot.runs) {
      this.#learn(id, { cursor: cursors.get(id) ?? lastSeq, startsAfter: null })
      this.#advance(id, lastSeq)
    }
    const early = this.#early ?? new Map()
    this.#early = null
    for (const { row, from } of early.values()) this.see(row, from)
  }

  /** A committed batch of one run, seen by whoever wrote it. False: the run is not known (yet). */
  push(events: readonly StoredEvent[]): boolean {
    const runId = events[0]?.runId ?? ''
    const known = this.#known.get(runId)
    if (!known) return false
    this.#counting(known.tail, () => known.tail.push(events, BUFFER_EVENTS - this.#buffered))
    this.#moved(runId, known)
    return true
  }

  /** A run of the roster. `from`: every run that moved since then is told of in this round. */
  see(row: RosterRow, from: Date): void {
    if (!selects(this.#deps.selection, row)) return
    if (this.#early) {
      const before = this.#early.get(row.id)
      this.#early.set(row.id, { row, from: before?.from ?? from })
      return
    }
    if (!this.#known.has(row.id)) this.#learn(row.id, this.#startOf(row, from))
    this.#advance(row.id, row.lastSeq)
  }

  /** Whether it wants a run that it does not know. */
  misses(runId: string, facts: RunFacts): boolean {
    return !this.#known.has(runId) && selects(this.#deps.selection, facts)
  }

  close(): void {
    this.#closed = true
    this.#known.clear()
    this.#ready.clear()
    this.#early = null
    this.#buffered = 0
    this.#wake?.()
  }

  /** Delivers until closed; never rejects. */
  async run(): Promise<void> {
    try {
      while (!this.#closed) {
        const [next] = this.#ready
        if (next === undefined) await this.#sleep()
        else await this.#deliverNext(next)
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  #startOf({ createdAt }: RosterRow, from: Date): { cursor: number; startsAfter: Date | null } {
    // Had it been there before, the snapshot or an earlier look would have told: both see what is older than the
    // margin, and a run moves when it is created.
    const unseen = Math.max(this.#openedAt.getTime() - this.#deps.marginMs, from.getTime())
    if (createdAt.getTime() > unseen) return { cursor: 0, startsAfter: null }
    return { cursor: 0, startsAfter: new Date(Math.max(this.#openedAt.getTime(), from.getTime())) }
  }

  #learn(runId: string, start: { cursor: number; startsAfter: Date | null }): void {
    if (this.#closed) return
    this.#known.set(runId, {
      tail: new RunTail(start.cursor),
      startsAfter: start.startsAfter,
      lastMoved: performance.now(),
    })
    if (this.#known.size > TIDY_RUNS) this.#forgetQuiet()
    if (this.#known.size > this.#deps.maxRuns) this.#fail(this.#deps.tooWide())
  }

  #advance(runId: string, seq: number): void {
    const known = this.#known.get(runId)
    if (!known?.tail.advance(seq)) return
    this.#moved(runId, known)
  }

  #moved(runId: string, known: Known): void {
    known.lastMoved = performance.now()
    if (known.tail.isLive) return
    this.#ready.add(runId)
    this.#wake?.()
  }

  /** A run that comes back after that long starts where it stands now: `startsAfter` finds the place. */
  #forgetQuiet(): void {
    const before = performance.now() - QUIET_MS
    for (const [runId, { tail, startsAfter, lastMoved }] of this.#known) {
      if (lastMoved >= before || !tail.isLive || startsAfter !== null) continue
      this.#counting(tail, () => tail.forget())
      this.#known.delete(runId)
    }
  }

  async #deliverNext(runId: string): Promise<void> {
    this.#ready.delete(runId)
    const known = this.#known.get(runId)
    if (!known) return
    const { tail, startsAfter } = known
    const isGone = () => this.#closed
    if (startsAfter !== null) {
      tail.skipTo(await patiently(() => this.#deps.lastSeqAt(runId, startsAfter), isGone))
      known.startsAfter = null
    }
    if (tail.isLive) return
    const read = (after: number, limit: number) =>
      patiently(() => this.#deps.read(runId, after, limit), isGone)
    const events = await this.#counting(tail, () => tail.next(read))
    if (this.#closed) return
    if (events.length > 0) await this.#deps.deliver(events)
    tail.took(events)
    // Behind the others: one busy run does not keep them waiting.
    if (!tail.isLive) this.#ready.add(runId)
  }

  /** Keeps count of what is in memory while a tail's buffer changes. */
  #counting<T>(tail: RunTail, change: () => T): T {
    const before = tail.buffered
    const result = change()
    this.#buffered += tail.buffered - before
    return result
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    this.close()
    this.#deps.failed(error instanceof Error ? error : new Error(String(error)))
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null
        resolve()
      }
    })
  }
}
