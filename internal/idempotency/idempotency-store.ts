/** All SQL of idempotency records. Times are Postgres' own. */
import { type SqlBool, sql } from 'kysely'
import type { Db } from '../db/tables.ts'
import { type KeptAnswer, type KeyedRequest, recordId } from './idempotency.ts'

/** How long an answer is given again. */
const KEPT = sql`interval '24 hours'`

export interface IdempotencyRecord {
  readonly digest: string
  readonly reservation: string
  readonly state: 'running' | 'freed' | 'answered'
  /** Nobody is known to carry the request out any more. */
  readonly isLapsed: boolean
  readonly isExpired: boolean
  readonly answer: KeptAnswer | null
}

/** Primary key. */
export async function findRecord(db: Db, request: KeyedRequest): Promise<IdempotencyRecord | null> {
  const row = await db
    .selectFrom('idempotency_records')
    .select(['request_digest', 'reservation', 'state', 'answer_status', 'answer_headers', 'answer_body'])
    .select([
      sql<boolean>`lease_expires_at < now()`.as('is_lapsed'),
      sql<boolean>`expires_at < now()`.as('is_expired'),
    ])
    .where('id', '=', recordId(request))
    .executeTakeFirst()
  if (!row) return null
  const { answer_status: status, answer_headers: headers, answer_body: body } = row
  return {
    digest: row.request_digest,
    reservation: row.reservation,
    state: row.state,
    isLapsed: row.is_lapsed,
    isExpired: row.is_expired,
    answer:
      status === null || headers === null || body === null
        ? null
        : { status, headers: JSON.parse(headers), body },
  }
}

/** Whether a request may be carried out although its key has a record; `reserve` asks the same once more. */
export function mayTake(record: IdempotencyRecord, digest: string): boolean {
  if (record.state === 'running' && !record.isLapsed) return false
  if (record.isExpired || record.state === 'freed') return true
  return record.state === 'running' && record.digest === digest
}

const TAKEABLE = sql<SqlBool>`
  NOT (idempotency_records.state = 'running' AND idempotency_records.lease_expires_at >= now())
  AND (idempotency_records.expires_at < now()
    OR idempotency_records.state = 'freed'
    OR (idempotency_records.state = 'running' AND idempotency_records.request_digest = excluded.request_digest))`

/** The same request makes the same thing again, within the life of the record. */
const SUBJECT = sql<string>`CASE
  WHEN idempotency_records.request_digest = excluded.request_digest AND idempotency_records.expires_at >= now()
  THEN idempotency_records.subject_id ELSE excluded.subject_id END`

export interface Reserving {
  readonly reservation: string
  readonly subjectId: string
  readonly replicaId: string
  readonly leaseMs: number
}

/** Takes the key, or takes it over. Null: somebody else has it. */
export async function reserve(
  db: Db,
  request: KeyedRequest,
  by: Reserving,
): Promise<{ subjectId: string } | null> {
  const taken = {
    state: 'running',
    reservation: by.reservation,
    lease_owner: by.replicaId,
    lease_expires_at: leaseEnd(by.leaseMs),
    request_digest: request.digest,
    expires_at: sql<Date>`now() + ${KEPT}`,
  } as const
  const row = await db
    .insertInto('idempotency_records')
    .values({
      id: recordId(request),
      principal: request.principal,
      method: request.method,
      path: request.path,
      subject_id: by.subjectId,
      ...taken,
    })
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet({
          ...taken,
          subject_id: SUBJECT,
          answer_status: null,
          answer_headers: null,
          answer_body: null,
          created_at: sql<Date>`now()`,
        })
        .where(TAKEABLE),
    )
    .returning('subject_id')
    .executeTakeFirst()
  return row ? { subjectId: row.subject_id } : null
}

/** Reservations that are still being worked on. */
export async function renew(db: Db, reservations: readonly string[], leaseMs: number): Promise<void> {
  await db
    .updateTable('idempotency_records')
    .set({ lease_expires_at: leaseEnd(leaseMs) })
    .where('state', '=', 'running')
    .where('reservation', 'in', [...reservations])
    .execute()
}

/** Changes nothing where somebody took the key over. */
export async function keepAnswer(db: Db, held: Held, answer: KeptAnswer): Promise<void> {
  await ofReservation(db, held)
    .set({
      state: 'answered',
      answer_status: answer.status,
      answer_headers: JSON.stringify(answer.headers),
      answer_body: answer.body,
      expires_at: sql<Date>`now() + ${KEPT}`,
    })
    .execute()
}

/** The key is free for any request; the same one makes the same thing. */
export const freeKey = (db: Db, held: Held): Promise<unknown> =>
  ofReservation(db, held).set({ state: 'freed' }).execute()

/** The same request may be carried out again, another one may not. */
export const lapse = (db: Db, held: Held): Promise<unknown> =>
  ofReservation(db, held).set({ lease_expires_at: sql<Date>`now() - interval '1 second'` }).execute()

interface Held {
  readonly request: KeyedRequest
  readonly reservation: string
}

const ofReservation = (db: Db, { request, reservation }: Held) =>
  db
    .updateTable('idempotency_records')
    .where('id', '=', recordId(request))
    .where('reservation', '=', reservation)
    .where('state', '=', 'running')

/** Removes some records whose time is over, oldest first; several replicas pass each other. Index …_expired. */
export async function removeExpired(db: Db, limit: number): Promise<number> {
  const { rows } = await sql`
    DELETE FROM agent_manager.idempotency_records WHERE id IN (
      SELECT id FROM agent_manager.idempotency_records
      WHERE expires_at < now() AND NOT (state = 'running' AND lease_expires_at >= now())
      ORDER BY expires_at LIMIT ${limit} FOR UPDATE SKIP LOCKED
    ) RETURNING id`.execute(db)
  return rows.length
}

const leaseEnd = (ms: number) => sql<Date>`now() + make_interval(secs => ${ms / 1000})`
