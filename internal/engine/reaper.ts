/** Takes runs whose owner is gone out of its dead hands: back to the queue, or to a true end. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import type { NewEvent, StoredEvent } from '../event/event.ts'
import { append, type RunPatch } from '../event/event-store.ts'
import type { Redactor } from '../event/redactor.ts'
import { toStorable } from '../event/storable.ts'
import { NONE_OPEN, withdrawWaiting } from '../interaction/interaction-store.ts'
import type { Logger } from '../log.ts'
import { cancelWaiting, requeueInputs } from '../run/input-store.ts'
import { type ClaimedRow, ended, expiredRuns } from '../run/run-queue.ts'
import { statusEvent } from '../run/run-service.ts'
import type { RunnerRegistry } from '../runner/registry.ts'
import { canGoOn, lostFailure } from './going-on.ts'
import { exhausted, type LostAttempts, lostAttempts } from './lost-attempts.ts'
import { endAgentOf } from './orphans.ts'
import { findOwner, type ReplicaIdentity } from './replica.ts'
import { goOnPatch, startOverPatch } from './run-changes.ts'
import { failureOf } from './turn-end.ts'

export interface ReaperDeps {
  readonly db: Kysely<Tables>
  readonly redactor: Redactor
  readonly log: Logger
  readonly registry: RunnerRegistry
  /** This replica, and what it drives: it hands that back itself once it has ended the agent. */
  readonly replica: ReplicaIdentity
  isDriven(runId: string): boolean
  publish(events: readonly StoredEvent[]): void
}

/** @returns whether a run became pending */
export async function reapExpired(deps: ReaperDeps): Promise<boolean> {
  let requeued = false
  for (const row of await expiredRuns(deps.db)) {
    if (row.lease_owner === deps.replica.id && deps.isDriven(row.id)) continue
    const isGone = await isAgentGone(deps, row)
    const verdict = judge(deps, row, isGone, await lostAttempts(deps.db, row))
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
      const closed = verdict.next === 'goes_on' ? [] : await withdrawWaiting(tx, row.id)
      const cancelled = verdict.patch.status === 'cancelled' ? await cancelWaiting(tx, row.id) : []
      const stored = await append(tx, {
        runId: row.id,
        from: [row.status],
        fence: null,
        patch: { ...verdict.patch, ...(verdict.next !== 'goes_on' && NONE_OPEN) },
        events: [...closed, ...cancelled, verdict.event].map((event) => toStorable(event, deps.redactor)),
      })
      if (stored && verdict.next === 'starts_over') await requeueInputs(tx, row.id, row.turn)
      return stored
    })
    if (!events) continue
    deps.log.warn({ run_id: row.id, attempt: row.attempt, next: verdict.next }, 'lease expired')
    deps.publish(events)
    requeued ||= verdict.next !== 'ends'
  }
  return requeued
}

interface Verdict {
  readonly patch: RunPatch
  readonly event: NewEvent
  readonly next: 'ends' | 'goes_on' | 'starts_over'
}

/** Proof, not a guess: where there is none the run gets a sandbox that no agent of it knows. */
async function isAgentGone({ db, log, replica }: ReaperDeps, row: ClaimedRow): Promise<boolean> {
  const { id, attempt, lease_owner: owner } = row
  if (owner === null) return false
  // Of our own that we do not drive any more the agent has ended.
  if (owner === replica.id) return true
  const { stopped, isHere } = await findOwner(db, owner, replica)
  return stopped || (isHere && (await endAgentOf({ id, attempt, owner }, log)))
}

function judge(deps: ReaperDeps, row: ClaimedRow, isAgentDead: boolean, lost: LostAttempts): Verdict {
  if (row.stop_requested_at !== null) {
    return {
      patch: { ...ended(null), status: 'cancelled', approval_state: 'none' },
      event: statusEvent(row.status, 'cancelled', 'stopped'),
      next: 'ends',
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
  // Before a run runs it has no agent, and what earlier turns left in the sandbox must stay.
  const goesOn = row.status === 'starting' || (isAgentDead && canGoOn(row, deps.registry))
  const keepsProgress = goesOn && lost.hasProgress
  const failure = exhausted(row, lost, keepsProgress) ?? lostFailure(row)
  if (failure) return fail(row, failure)
  const event = statusEvent(row.status, 'pending', 'lease_lost')
  if (goesOn) return { patch: goOnPatch(row, { counts: true, keepsProgress }), event, next: 'goes_on' }
  const patch = startOverPatch(row, { counts: true, hasSandbox: row.sandbox_id !== null })
  return { patch, event, next: 'starts_over' }
}

const fail = (row: ClaimedRow, failure: ReturnType<typeof failureOf>): Verdict => ({
  patch: { ...ended(failure), status: 'failed', approval_state: 'none' },
  event: statusEvent(row.status, 'failed', failure.code),
  next: 'ends',
})
