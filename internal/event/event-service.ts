/** Use cases of the log: read a page, watch a run, watch all. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { RunStatus } from '../run/run.ts'
import type { EventType, PayloadName, StoredEvent } from './event.ts'
import type { EventFeed, Watcher } from './event-feed.ts'
import { readEvents, readFence } from './event-store.ts'

/** A page may hold fewer events than asked for: the next one goes on where it stopped. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024

export class EventService {
  readonly #db: Kysely<Tables>
  readonly #feed: EventFeed

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

  subscribeAll(request: Watcher): { close(): void } {
    return this.#feed.attachAll(request)
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
