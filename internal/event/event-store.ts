/**
 * All SQL of the log. An append is one statement: it checks the fence, moves the run's counter, changes the
 * run where asked, and inserts the events, so numbers are gapless and a stale writer changes nothing.
 */
import { type Expression, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Db, RunsTable } from '../db/tables.ts'
import { FINAL_STATUSES, isFinal, type RunStatus } from '../run/run.ts'
import { EVENT_TYPE_OF, type EventType, type PayloadName, type StoredEvent } from './event.ts'
import type { StorableEvent } from './storable.ts'

/** Columns of the run that change together with the events. `now()` is Postgres' clock. */
export type RunPatch = { readonly [C in keyof RunsTable]?: PatchValue<RunsTable[C]> }
type PatchValue<C> = C extends { readonly __update__: infer U } ? U | Expression<U> : C | Expression<C>

export interface Append {
  readonly runId: string
  /** Statuses in which the write is allowed; anything else changes nothing. */
  readonly from: readonly RunStatus[]
  /** The owner's fence. Null for writers without a lease (stop, approval): the status alone decides. */
  readonly fence: { readonly attempt: number; readonly batch: number } | null
  readonly patch: RunPatch
  readonly events: readonly StorableEvent[]
}

/**
 * Appends, or changes nothing (null): the fence or the status did not hold. Uses the primary key of runs.
 * @throws the database's error; a lost connection leaves the outcome unknown, and the owner asks `readFence`
 */
export async function append(db: Db, request: Append): Promise<StoredEvent[] | null> {
  const { runId, fence, events } = request
  const ids = events.map(() => uuid())
  const rows = await db
    .with('fence', (qb) => {
      let update = qb
        .updateTable('runs')
        .set({
          ...request.patch,
          last_seq: sql<number>`last_seq + ${events.length}`,
          updated_at: sql<Date>`now()`,
          settled_at: settledAt(request.patch),
          ...(fence && { last_batch: fence.batch }),
        })
        .where('id', '=', runId)
        .where('status', 'in', [...request.from])
      if (fence)
        update = update.where('attempt', '=', fence.attempt).where('last_batch', '=', fence.batch - 1)
      return update.returning(['id', 'last_seq', 'turn', 'attempt'])
    })
    .with('inserted', (qb) =>
      qb
        .insertInto('run_events')
        .columns([
          'run_id',
          'seq',
          'id',
          'turn',
          'attempt',
          'synthetic',
          'created_at',
          'name',
          'payload',
          'raw',
        ])
        .expression((eb) =>
          eb
            .selectFrom('fence')
            .innerJoin(eventRows(ids, events), (join) => join.onTrue())
            .select([
              'fence.id as run_id',
              sql<number>`fence.last_seq - ${events.length} + e.ordinal`.as('seq'),
              sql<string>`e.id`.as('id'),
              'fence.turn',
              'fence.attempt',
              sql<boolean>`e.synthetic`.as('synthetic'),
              sql<Date>`now()`.as('created_at'),
              sql<string>`e.name`.as('name'),
              sql<string>`e.payload`.as('payload'),
              sql<string | null>`e.raw`.as('raw'),
            ]),
        )
        .returning('seq'),
    )
    .selectFrom('fence')
    .select(['last_seq', 'turn', 'attempt', sql<Date>`now()`.as('at')])
    .execute()
  const row = rows[0]
  if (!row) return null
  const base = row.last_seq - events.length
  return events.map((event, index) => ({
    id: ids[index] ?? '',
    runId,
    seq: base + index + 1,
    turn: row.turn,
    attempt: row.attempt,
    name: event.name,
    synthetic: event.synthetic,
    createdAt: row.at,
    payloadText: event.payload,
  }))
}

/** Moves only where the write finds or leaves the run finished (migrations/0005_streams.sql says why). */
const settledAt = ({ status }: RunPatch) =>
  typeof status === 'string' && isFinal(status)
    ? sql<Date>`now()`
    : sql<Date | null>`CASE WHEN status IN (${sql.join([...FINAL_STATUSES])}) THEN now() ELSE settled_at END`

/** The batch as rows of a table function: one parameter a column, whatever the number of events. */
const eventRows = (ids: readonly string[], events: readonly StorableEvent[]) =>
  sql<{ id: string; name: string; payload: string; raw: string | null; synthetic: boolean; ordinal: number }>`
    unnest(${[...ids]}::uuid[], ${events.map((e) => e.name)}::text[], ${events.map((e) => e.payload)}::text[],
           ${events.map((e) => e.raw)}::text[], ${events.map((e) => e.synthetic)}::boolean[])
    WITH ORDINALITY`.as<'e'>(sql`e(id, name, payload, raw, synthetic, ordinal)`)

/** Where a run's fence stands: what an owner reads when it does not know whether its batch was committed. */
export async function readFence(
  db: Db,
  runId: string,
): Promise<{ attempt: number; lastBatch: number; status: RunStatus; lastSeq: number } | null> {
  const row = await db
    .selectFrom('runs')
    .select(['attempt', 'last_batch', 'status', 'last_seq'])
    .where('id', '=', runId)
    .executeTakeFirst()
  if (!row) return null
  return { attempt: row.attempt, lastBatch: row.last_batch, status: row.status, lastSeq: row.last_seq }
}

export interface EventQuery {
  readonly runId: string
  readonly after: number
  readonly limit: number
  readonly types: readonly (EventType | PayloadName)[]
}

/** A page of the log above `after`, in order. Primary key (run_id, seq). */
export async function readEvents(
  db: Db,
  query: EventQuery,
): Promise<(StoredEvent & { raw: string | null })[]> {
  const names = payloadNames(query.types)
  let select = db
    .selectFrom('run_events')
    .selectAll()
    .where('run_id', '=', query.runId)
    .where('seq', '>', query.after)
    .orderBy('seq')
    .limit(query.limit)
  if (names) select = select.where('name', 'in', names)
  const rows = await select.execute()
  return rows.map((row) => ({
    id: row.id,
    runId: row.run_id,
    seq: row.seq,
    turn: row.turn,
    attempt: row.attempt,
    name: toPayloadName(row.name),
    synthetic: row.synthetic,
    createdAt: row.created_at,
    payloadText: row.payload,
    raw: row.raw,
  }))
}

/** The payload members that a filter by type or member lets through; null: no filter. */
export function payloadNames(types: readonly (EventType | PayloadName)[]): PayloadName[] | null {
  if (types.length === 0) return null
  return ALL_NAMES.filter((name) => types.includes(name) || types.includes(EVENT_TYPE_OF[name]))
}

const isPayloadName = (name: string): name is PayloadName => Object.hasOwn(EVENT_TYPE_OF, name)
const ALL_NAMES = Object.keys(EVENT_TYPE_OF).filter(isPayloadName)

function toPayloadName(name: string): PayloadName {
  if (!isPayloadName(name)) throw new Error(`the log holds an event of a newer build: ${name}`)
  return name
}
