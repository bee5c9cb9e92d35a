/** Use cases of the log: read a page, watch a run, watch all. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { RunStatus } from '../run/run.ts'
import { type TaskStatus, taskStatus } from '../task/task.ts'
import { newestRunOfTask } from '../task/task-store.ts'
import type { EventType, PayloadName, StoredEvent } from './event.ts'
import type { EventFeed } from './event-feed.ts'
import { readEvents, readFence } from './event-store.ts'
import { patiently } from './patience.ts'
import { ShortMemory } from './short-memory.ts'
import { newStatus } from './status-event.ts'
import type { Watcher, WideRequest } from './wide-feed.ts'

/** A page may hold fewer events than asked for: the next one goes on where it stopped. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024
/** Status events whose task is remembered: all watchers of a run ask about the same one at the same time. */
const MAX_TASK_ANSWERS = 1000

interface TaskOfEvent {
  readonly taskId: string
  readonly status: TaskStatus
}

export class EventService {
  readonly #db: Kysely<Tables>
  readonly #feed: EventFeed
  readonly #tasks = new ShortMemory<TaskOfEvent | null>(MAX_TASK_ANSWERS)

  constructor(deps: { db: Kysely<Tables>; feed: EventFeed }) {
    this.#db = deps.db
    this.#feed = deps.feed
  }

  /** @throws NOT_FOUND_RUN */
  async read(
    runId: string,
    query: {
      afterSequence: number
      limit: number
      types: readonly (EventType | PayloadName)[]
      raw: boolean
    },
  ): Promise<{ events: readonly (StoredEvent & { raw: string | null })[]; hasMore: boolean }> {
    await this.#fence(runId)
    const { afterSequence: after, limit, types } = query
    const rows = await readEvents(this.#db, { runId, after, limit: limit + 1, types })
    const events = withinBytes(rows.slice(0, limit))
    return { events, hasMore: rows.length > events.length }
  }

  /** Replays above `afterSequence` (null: nothing), then goes on live. @throws NOT_FOUND_RUN */
  async subscribe(
    request: Watcher & { runId: string; afterSequence: number | null },
  ): Promise<{ from: number; through: number; status: RunStatus; close(): void }> {
    let status: RunStatus = 'pending'
    const attached = await this.#feed.attach(request.runId, request.afterSequence, request, async () => {
      const fence = await this.#fence(request.runId)
      status = fence.status
      return fence.lastSeq
    })
    return { ...attached, status }
  }

  /** Watches many runs (wide-feed.ts). @throws SUBSCRIPTION_TOO_WIDE */
  async subscribeMany(request: WideRequest): Promise<{
    runs: readonly {
      readonly runId: string
      readonly from: number
      readonly through: number
      readonly status: RunStatus
      readonly pendingInteractions: number
    }[]
    covers(runId: string): boolean
    close(): void
  }> {
    const { snapshot, covers, close } = await this.#feed.attachMany(request)
    const runs = snapshot.runs.map(({ id, lastSeq, status, pendingInteractions }) => ({
      runId: id,
      from: (request.cursors.get(id) ?? lastSeq) + 1,
      through: lastSeq,
      status,
      pendingInteractions,
    }))
    return { runs, covers, close }
  }

  /** Where the log of a run stands. @throws NOT_FOUND_RUN */
  async position(runId: string): Promise<{ lastSequence: number; status: RunStatus }> {
    const { lastSeq, status } = await this.#fence(runId)
    return { lastSequence: lastSeq, status }
  }

  /**
   * The status of a task after a status event of one of its runs; null for other events, and where a newer run of
   * the task decides.
   */
  async taskStatus(event: StoredEvent): Promise<{ taskId: string; status: TaskStatus } | null> {
    const status = newStatus(event)
    if (status === null) return null
    const ask = () => this.#taskStatus(event.runId, status)
    return this.#tasks.get(`${event.runId} ${event.seq}`, () => patiently(ask, () => false))
  }

  async #taskStatus(runId: string, status: RunStatus): Promise<TaskOfEvent | null> {
    const newest = await newestRunOfTask(this.#db, runId)
    if (newest?.id !== runId) return null
    // The event says which status, the row how a run was decided that still has it.
    const approvalState = newest.status === status ? newest.approvalState : 'none'
    return { taskId: newest.taskId, status: taskStatus({ status, approvalState }, false) }
  }

  async #fence(runId: string) {
    const fence = await readFence(this.#db, runId)
    if (!fence) throw new AppError('NOT_FOUND_RUN', `There is no run with id ${runId}.`)
    return fence
  }
}

/** As many as fit, at least one. */
function withinBytes<E extends { payloadText: string; raw: string | null }>(
  events: readonly E[],
): readonly E[] {
  let bytes = 0
  const end = events.findIndex((event, index) => {
    bytes += event.payloadText.length + (event.raw?.length ?? 0)
    return index > 0 && bytes > MAX_PAGE_BYTES
  })
  return end === -1 ? events : events.slice(0, end)
}
