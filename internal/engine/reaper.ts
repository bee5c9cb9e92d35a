/** Takes runs whose owner is gone out of its dead hands: back to the queue, or to a true end. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import type { NewEvent, StoredEvent } from '../event/event.ts'
import { append, type RunPatch } from '../event/event-store.ts'
import type { Redactor } from '../event/redactor.ts'
import { toStorable } from '../event/storable.ts'
import type { Logger } from '../log.ts'
import { type ClaimedRow, ended, expiredRuns } from '../run/run-queue.ts'
import { statusEvent } from '../run/run-service.ts'
import { exhausted, handBackPatch } from './run-changes.ts'
import { requeueInputs } from './run-work-store.ts'
import { failureOf } from './turn-end.ts'

export interface ReaperDeps {
  readonly db: Kysely<Tables>
  readonly redactor: Redactor
  readonly log: Logger
  publish(events: readonly StoredEvent[]): void
}

/** @returns whether a run became pending */
export async function reapExpired(deps: ReaperDeps): Promise<boolean> {
  let requeued = false
  for (const row of await expiredRuns(deps.db)) {
    const verdict = judge(row)
    const events = await deps.db.transaction().execute(async (tx) => {
      // The lease may have been renewed since it was read: the row lock decides.
      const still = await tx
        .selectFrom('runs')
        .select(['attempt', 'lease_expires_at'])
        .where('id', '=', row.id)
        .forUpdate()
        .executeTakeFirst()
      if (
        still?.attempt !== row.attempt ||
        still.lease_expires_at?.getTime() !== row.lease_expires_at?.getTime()
      )
        return null
      const stored = await append(tx, {
        runId: row.id,
        from: [row.status],
        fence: null,
        patch: verdict.patch,
        events: [toStorable(verdict.event, deps.redactor)],
      })
      if (stored && verdict.requeues) await requeueInputs(tx, row.id, row.turn)
      return stored
    })
    if (!events) continue
    deps.log.warn({ run_id: row.id, attempt: row.attempt, requeued: verdict.requeues }, 'lease expired')
    deps.publish(events)
    requeued ||= verdict.requeues
  }
  return requeued
}

interface Verdict {
  readonly patch: RunPatch
  readonly event: NewEvent
  readonly requeues: boolean
}

function judge(row: ClaimedRow): Verdict {
  if (row.stop_requested_at !== null) {
    return {
      patch: { ...ended(null), status: 'cancelled', approval_state: 'none' },
      event: statusEvent(row.status, 'cancelled', 'stopped'),
      requeues: false,
    }
  }
  // Nobody can fence what an agent wrote straight into the project: it is never run again by itself.
  if (row.mode === 'in_place')
    return fail(
      row,
      failureOf(
        'lease_lost',
        'The service lost this in-place run; look at the project before you run it again.',
      ),
    )
  const failure = exhausted(row)
  if (failure) return fail(row, failure)
  return {
    patch: handBackPatch(row, { counts: true, hasSandbox: row.sandbox_id !== null }),
    event: statusEvent(row.status, 'pending', 'lease_lost'),
    requeues: true,
  }
}

const fail = (row: ClaimedRow, failure: ReturnType<typeof failureOf>): Verdict => ({
  patch: { ...ended(failure), status: 'failed', approval_state: 'none' },
  event: statusEvent(row.status, 'failed', failure.code),
  requeues: false,
})
