/** Reads the conversation of a run out of its log, page by page. */
import type { Db } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { PayloadName, StoredEvent } from '../event/event.ts'
import { readEvents } from '../event/event-store.ts'
import { findRun } from '../run/run-store.ts'
import { CLOSING_NAMES, isOpen, TRANSCRIPT_NAMES, type TranscriptEntry, transcriptOf } from './transcript.ts'

/** Events that are read at once; each has at most 256 KiB. */
const CHUNK = 200
/** A page ends early above this much text. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024
/** How far is looked ahead for what became of a page's last entries: 5000 events. */
const MAX_AHEAD = 25

export interface TranscriptPage {
  readonly entries: readonly TranscriptEntry[]
  /** Where the next page begins. */
  readonly nextAfter: number
  readonly hasMore: boolean
}

export class TranscriptService {
  readonly #db: Db

  constructor(deps: { db: Db }) {
    this.#db = deps.db
  }

  /** Entries that began above `afterSequence`, with what became of them by now. @throws NOT_FOUND_RUN */
  async page(
    runId: string,
    request: { readonly afterSequence: number; readonly limit: number },
  ): Promise<TranscriptPage> {
    if (!(await findRun(this.#db, runId)))
      throw new AppError('NOT_FOUND_RUN', `There is no run with id ${runId}.`)
    return readTranscript(this.#db, runId, request)
  }
}

export async function readTranscript(
  db: Db,
  runId: string,
  request: { readonly afterSequence: number; readonly limit: number },
): Promise<TranscriptPage> {
  const { afterSequence, limit } = request
  const events: StoredEvent[] = []
  let bytes = 0
  let isWhole = false
  while (
    !isWhole &&
    transcriptOf(events).length <= limit &&
    (events.length === 0 || bytes < MAX_PAGE_BYTES)
  ) {
    const after = events.at(-1)?.seq ?? afterSequence
    const chunk = await read(db, runId, after, TRANSCRIPT_NAMES)
    events.push(...chunk)
    bytes += chunk.reduce((sum, { payloadText }) => sum + payloadText.length, 0)
    isWhole = chunk.length < CHUNK
  }
  const through = events.at(-1)?.seq ?? afterSequence
  const ahead = isWhole ? [] : await readAhead(db, runId, transcriptOf(events).slice(0, limit), through)
  const begun = transcriptOf([...events, ...ahead]).filter(({ sequence }) => sequence <= through)
  const entries = begun.slice(0, limit)
  const hasMore = begun.length > limit || !isWhole
  return { entries, hasMore, nextAfter: hasMore ? (entries.at(-1)?.sequence ?? through) : through }
}

/** What became of these entries behind the page. A call ends with its turn at the latest. */
async function readAhead(
  db: Db,
  runId: string,
  entries: readonly TranscriptEntry[],
  through: number,
): Promise<StoredEvent[]> {
  const lastTurn = Math.max(...entries.filter(isOpen).map(({ turn }) => turn))
  const events: StoredEvent[] = []
  for (let round = 0; round < MAX_AHEAD; round += 1) {
    const chunk = await read(db, runId, events.at(-1)?.seq ?? through, CLOSING_NAMES)
    events.push(...chunk.filter(({ turn }) => turn <= lastTurn))
    if (chunk.length < CHUNK || (chunk.at(-1)?.turn ?? 0) > lastTurn) break
  }
  return events
}

const read = (db: Db, runId: string, after: number, types: readonly PayloadName[]): Promise<StoredEvent[]> =>
  readEvents(db, { runId, after, limit: CHUNK, types })
