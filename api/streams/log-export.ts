/** The log of one run as NDJSON, page by page as the reader takes it, up to where it ended when it was asked for. */
import type { FastifyReply } from 'fastify'
import type { ApiDeps } from '../deps.ts'
import { eventJson } from '../event-json.ts'
import { EXPORT_PAGE_EVENTS, type StreamLimits } from '../limits.ts'
import type { EventName } from '../schemas/run-event.ts'
import { httpSink } from './http-sink.ts'
import type { OpenStreams } from './open-streams.ts'
import { Outbox } from './outbox.ts'

export interface ExportWish {
  readonly runId: string
  readonly afterSequence: number
  readonly types: readonly EventName[]
  readonly raw: boolean
}

export interface ExportDeps extends Pick<ApiDeps, 'events' | 'log' | 'metrics'> {
  readonly streams: OpenStreams
  readonly limits: StreamLimits
}

/** Resolves when the reader has it all, or is gone. Rejects before anything was sent. */
export async function exportLog(reply: FastifyReply, wish: ExportWish, deps: ExportDeps): Promise<void> {
  const { lastSequence: through } = await deps.events.position(wish.runId)
  // What is cut short must look like it: no farewell, the connection breaks.
  const sink = httpSink(reply, { contentType: 'application/x-ndjson', farewell: null })
  const place = deps.streams.open('export', { end: () => undefined, cut: sink.cut })
  sink.onEnd(() => place.close())
  const outbox = new Outbox(sink, deps.limits, deps.metrics, () => undefined)
  try {
    for (let after: number | null = wish.afterSequence; after !== null && sink.isOpen; ) {
      const page = await readLines(deps, wish, after, through)
      if (page.lines !== '') outbox.send(page.lines)
      await outbox.room()
      after = page.next
    }
  } catch (error) {
    if (!reply.raw.headersSent) throw error
    deps.log.warn({ err: error }, 'export broken off')
    sink.cut()
  }
  if (sink.isOpen) sink.finish()
  else reply.hijack()
}

async function readLines(
  { events }: ExportDeps,
  { runId, types, raw }: ExportWish,
  after: number,
  through: number,
): Promise<{ lines: string; next: number | null }> {
  const limit = EXPORT_PAGE_EVENTS
  const page = await events.read(runId, { afterSequence: after, limit, types, raw })
  const due = page.events.filter(({ seq }) => seq <= through)
  const lines = due.map((event) => `${raw ? eventJson(event, event.raw) : eventJson(event)}\n`)
  const isMore = page.hasMore && due.length === page.events.length
  return { lines: lines.join(''), next: isMore ? (due.at(-1)?.seq ?? null) : null }
}
