/**
 * The engine's SQL: claim, renew, hand back. Times are Postgres' own, so no replica's clock decides whose
 * run it is.
 */
import { type Selectable, sql } from 'kysely'
import type { Db, RunsTable } from '../db/tables.ts'
import type { StoredEvent } from '../event/event.ts'
import { append } from '../event/event-store.ts'
import type { StorableEvent } from '../event/storable.ts'
import type { Failure } from '../runner/port.ts'

export const MAX_TURN_ATTEMPTS = 3

export type ClaimedRow = Selectable<RunsTable>

/**
 * Takes the oldest pending run, or null. The claim raises `attempt` (the fencing token) and restarts the
 * batch numbers of the new owner. Index runs_pending; SKIP LOCKED lets claimers pass each other.
 */
export async function claimRun(
  tx: Db,
  claim: { replicaId: string; ttlMs: number; event: StorableEvent },
): Promise<{ row: ClaimedRow; events: StoredEvent[]; waitedMs: number } | null> {
  const next = await tx
    .selectFrom('runs')
    // A pending run changes when it becomes one, and when something is done for it to go on.
    .select(['id', sql<number>`extract(epoch FROM now() - updated_at)::float8 * 1000`.as('waited_ms')])
    .where('status', '=', 'pending')
    // A parked run waits for its answer.
    .where('pending_interactions', '=', 0)
    .orderBy('created_at')
    .orderBy('id')
    .limit(1)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst()
  if (!next) return null
  const events = await append(tx, {
    runId: next.id,
    from: ['pending'],
    fence: null,
    patch: {
      status: 'starting',
      phase: 'initializing',
      attempt: sql<number>`attempt + 1`,
      turn_attempt: sql<number>`turn_attempt + 1`,
      last_batch: 0,
      lease_owner: claim.replicaId,
      lease_expires_at: leaseEnd(claim.ttlMs),
      last_heartbeat_at: sql<Date>`now()`,
      started_at: sql<Date>`coalesce(started_at, now())`,
    },
    events: [claim.event],
  })
  if (!events) return null
  const row = await tx.selectFrom('runs').selectAll().where('id', '=', next.id).executeTakeFirstOrThrow()
  return { row, events, waitedMs: Math.max(0, next.waited_ms) }
}

export interface RenewedLease {
  readonly id: string
  readonly attempt: number
  readonly stopRequested: boolean
  readonly interruptRequested: boolean
}

/** Renews the leases of these runs; those not returned belong to somebody else now. */
export async function renewLeases(
  db: Db,
  request: { replicaId: string; ttlMs: number; ids: readonly string[] },
): Promise<RenewedLease[]> {
  const rows = await db
    .updateTable('runs')
    .set({ lease_expires_at: leaseEnd(request.ttlMs), last_heartbeat_at: sql<Date>`now()` })
    .where('lease_owner', '=', request.replicaId)
    .where('id', 'in', [...request.ids])
    .returning(['id', 'attempt', 'stop_requested_at', 'interrupt_turn', 'turn'])
    .execute()
  return rows.map((row) => ({
    id: row.id,
    attempt: row.attempt,
    stopRequested: row.stop_requested_at !== null,
    interruptRequested: row.interrupt_turn === row.turn,
  }))
}

/** Driven runs whose lease is over. Index runs_driven. */
export function expiredRuns(db: Db): Promise<ClaimedRow[]> {
  return db
    .selectFrom('runs')
    .selectAll()
    .where('status', 'in', ['starting', 'running'])
    .where('lease_expires_at', '<', sql<Date>`now()`)
    .orderBy('lease_expires_at')
    .limit(100)
    .execute()
}

/** The columns of a run that nobody drives any more. */
export const UNLEASED = { lease_owner: null, lease_expires_at: null } as const

/** The columns of a run that ends. */
export const ended = (failure: Failure | null) =>
  ({
    ...UNLEASED,
    phase: 'completed',
    ended_at: sql<Date>`now()`,
    failure: failure && JSON.stringify(failure),
  }) as const

const leaseEnd = (ttlMs: number) => sql<Date>`now() + make_interval(secs => ${ttlMs / 1000})`
