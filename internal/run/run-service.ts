/** Use cases of runs. */
import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import { hasOpenApproval } from '../approval/approval-store.ts'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { NewEvent, StoredEvent } from '../event/event.ts'
import { append } from '../event/event-store.ts'
import { toStorable } from '../event/storable.ts'
import { NONE_OPEN, withdrawWaiting } from '../interaction/interaction-store.ts'
import { invariant } from '../invariant.ts'
import type { Page, PageRequest } from '../page.ts'
import type { Profile } from '../profile/profile.ts'
import { refuseBroken } from './admission.ts'
import { configEvent } from './config-event.ts'
import { type ForkRequest, planFork } from './fork.ts'
import { cancelWaiting } from './input-store.ts'
import { planRetry } from './retry.ts'
import { isFinal, type Run, type RunFilter, type RunStatus } from './run.ts'
import { type PlanDeps, planRun, type RunPlan, type RunWish } from './run-plan.ts'
import { ended } from './run-queue.ts'
import {
  findRun,
  findRunByKey,
  findRunByTag,
  insertRun,
  listRuns,
  type RunInsert,
  requestStop,
} from './run-store.ts'

export interface NewRun extends RunWish {
  readonly tag: string | null
  readonly force: boolean
  readonly idempotencyKey: string | null
}

export interface RunServiceDeps extends PlanDeps {
  readonly db: Kysely<Tables>
  /** Committed events, for whoever watches. */
  publish(events: readonly StoredEvent[]): void
  /** A run became pending. */
  wake(): void
  /** A driven run shall stop: told to the engine of this replica at once; others see it at their heartbeat. */
  stopping(runId: string): void
}

/** A stop races with the run's own steps; each round sees a later status, and there are only so many. */
const STOP_ROUNDS = 5

export class RunService {
  readonly #deps: RunServiceDeps

  constructor(deps: RunServiceDeps) {
    this.#deps = deps
  }

  /**
   * Admits and queues a run. With an idempotency key that was used for the same request it answers the same
   * run.
   * @throws what admission finds; IDEMPOTENCY_MISMATCH for a key used with another request
   */
  async create(request: NewRun): Promise<{ run: Run; replayed: boolean }> {
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    const earlier = await this.#replay(request.idempotencyKey, digest)
    if (earlier) return { run: earlier, replayed: true }
    const plan = await planRun(request, this.#deps)
    refuseBroken(plan.checks)
    const { task, resolved, prompt } = plan
    invariant(task && resolved && prompt !== null, 'a plan without broken checks is whole')
    const profile = await this.#ensureProfile(request, plan.profile)
    const id = uuid()
    const run = await this.#insert({
      id,
      taskId: task.id,
      profile: profile && { id: profile.id, version: profile.version },
      tag: request.tag ?? id,
      ...resolved,
      idempotencyKey: request.idempotencyKey,
      requestDigest: digest,
      inputId: uuid(),
      prompt,
      retryOf: null,
      forkOf: null,
    })
    if (run) return { run, replayed: false }
    const winner = await this.#replay(request.idempotencyKey, digest)
    if (winner) return { run: winner, replayed: true }
    throw new AppError('INTERNAL', 'The run could not be created.')
  }

  /** What would become of the request, with everything that stands in its way. Nothing is made. */
  preflight(request: RunWish): Promise<RunPlan> {
    return planRun(request, this.#deps)
  }

  /**
   * A finished run once more, as a new run.
   * @throws NOT_FOUND_RUN; STATE_TRANSITION_INVALID while it is not finished; what admission finds
   */
  async retry(id: string, change: { prompt: string | null; tag: string | null }): Promise<Run> {
    const run = await this.#insert(await planRetry(await this.get(id), change, this.#deps))
    if (!run) throw new AppError('INTERNAL', 'The run could not be created.')
    return run
  }

  /**
   * A new run that goes off from the end of a turn.
   * @throws NOT_FOUND_RUN and what planFork throws
   */
  async fork(id: string, request: ForkRequest): Promise<Run> {
    const run = await this.#insert(await planFork(await this.get(id), request, this.#deps))
    if (!run) throw new AppError('INTERNAL', 'The run could not be created.')
    return run
  }

  /** @throws NOT_FOUND_RUN */
  async get(id: string): Promise<Run> {
    const run = await findRun(this.#deps.db, id)
    if (!run) throw notFound(id)
    return run
  }

  /** The newest run of exactly this tag. @throws NOT_FOUND_RUN */
  async getByTag(tag: string): Promise<Run> {
    const run = await findRunByTag(this.#deps.db, tag)
    if (!run) throw new AppError('NOT_FOUND_RUN', `There is no run with the tag ${tag}.`)
    return run
  }

  list(filter: RunFilter, page: PageRequest): Promise<Page<Run>> {
    return listRuns(this.#deps.db, filter, page)
  }

  /**
   * Returns when the intent to stop is durable; a driven run is cancelled by its owner a moment later.
   * @throws NOT_FOUND_RUN; STATE_TERMINAL on a finished run; STATE_TRANSITION_INVALID while an approval is
   * being carried out
   */
  async stop(id: string, actor: string): Promise<Run> {
    for (let round = 0; round < STOP_ROUNDS; round += 1) {
      const driven = await requestStop(this.#deps.db, id, actor)
      if (driven) {
        this.#deps.stopping(id)
        return driven
      }
      const events = await this.#cancelIdle(id)
      if (events) {
        this.#deps.publish(events)
        return this.get(id)
      }
      const run = await this.get(id)
      if (isFinal(run.status)) {
        throw new AppError(
          'STATE_TERMINAL',
          `Run ${id} is finished (${run.status}); there is nothing to stop.`,
        )
      }
    }
    throw new AppError('STATE_TRANSITION_INVALID', `Run ${id} keeps changing its state. Try again.`)
  }

  /** Ends a run that waits (for a slot, for a decision); nobody holds a lease on it. */
  async #cancelIdle(id: string): Promise<StoredEvent[] | null> {
    return this.#deps.db.transaction().execute(async (tx) => {
      const row = await tx
        .selectFrom('runs')
        .select('status')
        .where('id', '=', id)
        .forUpdate()
        .executeTakeFirst()
      if (row?.status !== 'pending' && row?.status !== 'needs_review') return null
      if (await hasOpenApproval(tx, id)) {
        throw new AppError(
          'STATE_TRANSITION_INVALID',
          `An approval of run ${id} is being carried out. Try again.`,
        )
      }
      const closed = [...(await withdrawWaiting(tx, id)), ...(await cancelWaiting(tx, id))]
      const events = [...closed, statusEvent(row.status, 'cancelled', 'stopped')]
      return append(tx, {
        runId: id,
        from: [row.status],
        fence: null,
        patch: { ...ended(null), ...NONE_OPEN, status: 'cancelled', approval_state: 'none' },
        events: events.map((event) => toStorable(event, this.#deps.redactor)),
      })
    })
  }

  async #replay(key: string | null, digest: string): Promise<Run | null> {
    const found = key === null ? null : await findRunByKey(this.#deps.db, key)
    if (!found) return null
    if (found.requestDigest === digest) return found.run
    throw new AppError('IDEMPOTENCY_MISMATCH', 'idempotency_key was used for another request: use a new key.')
  }

  async #ensureProfile(request: NewRun, known: Profile | null): Promise<Profile | null> {
    if (known !== null || request.profileRef === null) return known
    const { profile } = await this.#deps.profiles.ensure({ ...request.profileRef, updateExisting: false })
    return profile
  }

  /** Null: the idempotency key is taken. */
  async #insert(run: RunInsert): Promise<Run | null> {
    const { redactor } = this.#deps
    const first = [configEvent(run.config, run.sources, null), statusEvent(null, 'pending', null)]
    const events = await this.#deps.db.transaction().execute(async (tx) => {
      if (!(await insertRun(tx, run))) return null
      return append(tx, {
        runId: run.id,
        from: ['pending'],
        fence: null,
        patch: {},
        events: first.map((event) => toStorable(event, redactor)),
      })
    })
    if (!events) return null
    this.#deps.publish(events)
    this.#deps.wake()
    return this.get(run.id)
  }
}

export const statusEvent = (from: RunStatus | null, to: RunStatus, reason: string | null): NewEvent => ({
  payload: { status: { old_status: from, new_status: to, reason } },
  synthetic: true,
})

const notFound = (id: string): AppError => new AppError('NOT_FOUND_RUN', `There is no run with id ${id}.`)
