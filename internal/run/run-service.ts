/** Use cases of runs. */
import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import { hasOpenApproval } from '../approval/approval-store.ts'
import { violatedConstraint } from '../db/pg-error.ts'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { NewEvent, StoredEvent } from '../event/event.ts'
import { append } from '../event/event-store.ts'
import { toStorable } from '../event/storable.ts'
import { NONE_OPEN, withdrawWaiting } from '../interaction/interaction-store.ts'
import { invariant } from '../invariant.ts'
import type { Page, PageRequest } from '../page.ts'
import type { Profile } from '../profile/profile.ts'
import type { Task } from '../task/task.ts'
import { refuseBroken } from './admission.ts'
import { configEvent } from './config-event.ts'
import { type ForkRequest, planFork } from './fork.ts'
import { holdAdmitted, holdProfile } from './holds.ts'
import { cancelWaiting } from './input-store.ts'
import { planRetry } from './retry.ts'
import { isFinal, type Run, type RunFilter, type RunStatus } from './run.ts'
import { copyOf, type RunCopy } from './run-copy.ts'
import { type PlanDeps, planRun, type RunPlan, type RunWish } from './run-plan.ts'
import { ended } from './run-queue.ts'
import { findRun, findRunByTag, insertRun, listRuns, type RunInsert, requestStop } from './run-store.ts'

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
   * Admits and queues a run.
   * @param given its id, where the caller's key stands for one; creating the same id again answers the run of the first
   * time, as it is now
   * @throws what admission finds
   */
  async create(request: NewRun, given?: string): Promise<{ run: Run; replayed: boolean }> {
    const earlier = given === undefined ? null : await findRun(this.#deps.db, given)
    if (earlier) return { run: earlier, replayed: true }
    const id = given ?? uuid()
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    const plan = await planRun(request, this.#deps)
    refuseBroken(plan.checks)
    const { task, resolved, prompt } = plan
    invariant(task && resolved && prompt !== null, 'a plan without broken checks is whole')
    const profile = await this.#ensureProfile(request, plan.profile)
    const run = {
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
    }
    const isNew = await this.#insert(run, task)
    return { run: await this.get(id), replayed: !isNew }
  }

  /** What would become of the request, with everything that stands in its way. Nothing is made. */
  preflight(request: RunWish): Promise<RunPlan> {
    return planRun(request, this.#deps)
  }

  /**
   * A finished run once more, as a new run.
   * @param newId as for `create`
   * @throws NOT_FOUND_RUN; STATE_TRANSITION_INVALID while it is not finished; what admission finds
   */
  retry(
    id: string,
    change: { readonly prompt: string | null; readonly tag: string | null },
    newId?: string,
  ): Promise<Run> {
    return this.#copy(id, newId, (run) => planRetry(run, change, this.#deps))
  }

  /**
   * A new run that goes off from the end of a turn.
   * @param newId as for `create`
   * @throws NOT_FOUND_RUN and what planFork throws
   */
  fork(id: string, request: ForkRequest, newId?: string): Promise<Run> {
    return this.#copy(id, newId, (run) => planFork(run, request, this.#deps))
  }

  async #copy(id: string, given: string | undefined, plan: (run: Run) => Promise<RunCopy>): Promise<Run> {
    const earlier = given === undefined ? null : await findRun(this.#deps.db, given)
    if (earlier) return earlier
    const newId = given ?? uuid()
    const run = await this.get(id)
    const copy = await plan(run)
    await this.#insert(copyOf(run, newId, copy), copy.task)
    return this.get(newId)
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

  async #ensureProfile(request: NewRun, known: Profile | null): Promise<Profile | null> {
    if (known !== null || request.profileRef === null) return known
    const { profile } = await this.#deps.profiles.ensure({ ...request.profileRef, updateExisting: false })
    return profile
  }

  /** With the first events of its log. False: the run is there already. */
  async #insert(run: RunInsert, task: Task): Promise<boolean> {
    const first = [configEvent(run.config, run.sources, null), statusEvent(null, 'pending', null)]
    const written = this.#deps.db.transaction().execute(async (tx) => {
      await holdAdmitted(tx, task)
      await holdProfile(tx, run.profile)
      if (!(await insertRun(tx, run))) return null
      return append(tx, {
        runId: run.id,
        from: ['pending'],
        fence: null,
        patch: {},
        events: first.map((event) => toStorable(event, this.#deps.redactor)),
      })
    })
    const events = await written.catch((error: unknown) => {
      if (violatedConstraint(error) === null) throw error
      // Two callers, each with a right of its own to the key, at the same moment.
      const message = 'Another run with this idempotency key is being created. Try again.'
      throw new AppError('STATE_IDEMPOTENCY_IN_FLIGHT', message, { cause: error })
    })
    if (!events) return false
    this.#deps.publish(events)
    this.#deps.wake()
    return true
  }
}

export const statusEvent = (from: RunStatus | null, to: RunStatus, reason: string | null): NewEvent => ({
  payload: { status: { old_status: from, new_status: to, reason } },
  synthetic: true,
})

const notFound = (id: string): AppError => new AppError('NOT_FOUND_RUN', `There is no run with id ${id}.`)
