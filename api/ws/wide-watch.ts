/** One connection's watch over many runs: a task, a tag prefix, or all. SUBSCRIBED first, then what comes. */
import type { ErrorCode } from '../../internal/errors.ts'
import type { StoredEvent } from '../../internal/event/event.ts'
import type { Delta } from '../../internal/runner/port.ts'
import type { ApiDeps } from '../deps.ts'
import { MAX_STREAM_RUNS, MAX_STREAM_RUNS_LATER } from '../limits.ts'
import type { Outbox } from '../streams/outbox.ts'
import { sendEvents, type Voice } from '../streams/run-watch.ts'
import { errorFrame, type SubscribedMany, subscribedManyFrame } from './frames.ts'
import type { WideWish } from './messages.ts'

export interface WideWatchOptions {
  readonly outbox: Outbox
  readonly voice: Voice
  /** Whether a narrower watch of the same connection tells about this run. */
  isToldOtherwise(runId: string): boolean
}

export class WideWatch {
  readonly wish: WideWish
  readonly #options: WideWatchOptions
  readonly #opened = Promise.withResolvers<void>()
  #attached: Awaited<ReturnType<ApiDeps['events']['subscribeMany']>> | null = null
  #isOpen = false
  #closed = false

  constructor(wish: WideWish, options: WideWatchOptions) {
    this.wish = wish
    this.#options = options
  }

  /** Whether this watch tells about a run. */
  covers(runId: string): boolean {
    return this.#isOpen && this.#attached?.covers(runId) === true
  }

  /** Rejects where it cannot be had; then nothing was sent. */
  async open(
    { tasks, events, interactions }: Pick<ApiDeps, 'tasks' | 'events' | 'interactions'>,
    failed: (error: Error) => void,
  ): Promise<void> {
    const { selection, cursors, deltas, eventTypes } = this.wish
    if (selection.kind === 'task') await tasks.get(selection.taskId)
    const isPlain = selection.kind === 'all' && cursors.size === 0
    const attached = await events.subscribeMany({
      selection,
      cursors,
      // The original's form knows no such limit.
      maxStart: isPlain ? MAX_STREAM_RUNS_LATER : MAX_STREAM_RUNS,
      maxRuns: MAX_STREAM_RUNS_LATER,
      deliver: (batch) => this.#deliver(batch),
      ...(deltas && { delta: (run: string, turn: number, delta: Delta) => this.#delta(run, turn, delta) }),
      failed: (error) => {
        if (!this.#closed) failed(error)
      },
    })
    this.#attached = attached
    if (this.#closed) {
      attached.close()
      return
    }
    const { runs } = attached
    // After the attach: what is opened from here on is told by an event behind SUBSCRIBED.
    const asking = runs.filter((run) => run.pendingInteractions > 0).map(({ runId }) => runId)
    const pending = await interactions.pendingOf(asking)
    if (this.#closed) return
    const { outbox } = this.#options
    outbox.send(subscribedManyFrame({ selection, runs, pending, deltas, eventTypes }))
    for (const runId of missing(cursors, runs)) outbox.send(errorFrame(notFollowed(runId)))
    this.#isOpen = true
    this.#opened.resolve()
  }

  /** Nothing is sent for this watch from now on. */
  close(): void {
    this.#closed = true
    this.#attached?.close()
    this.#opened.resolve()
  }

  async #deliver(events: readonly StoredEvent[]): Promise<void> {
    await this.#opened.promise
    const runId = events[0]?.runId
    const { outbox, voice, isToldOtherwise } = this.#options
    if (runId === undefined || isToldOtherwise(runId)) return
    await sendEvents(events, {
      eventTypes: this.wish.eventTypes,
      outbox,
      voice,
      isClosed: () => this.#closed,
    })
  }

  #delta(runId: string, turn: number, delta: Delta): void {
    const { outbox, voice, isToldOtherwise } = this.#options
    if (!this.#isOpen || this.#closed || isToldOtherwise(runId)) return
    outbox.offer(() => voice.delta(runId, turn, delta))
  }
}

const missing = (cursors: ReadonlyMap<string, number>, runs: SubscribedMany['runs']): string[] => {
  const there = new Set(runs.map(({ runId }) => runId))
  return [...cursors.keys()].filter((runId) => !there.has(runId))
}

const notFollowed = (runId: string) => ({
  code: 'NOT_FOUND_RUN' satisfies ErrorCode,
  message: `Run ${runId} of cursors is not among the runs of this subscription; the others are followed.`,
  runId,
})
