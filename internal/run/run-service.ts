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
import type { Redactor } from '../event/redactor.ts'
import { storableText, toStorable } from '../event/storable.ts'
import { NONE_OPEN, withdrawWaiting } from '../interaction/interaction-store.ts'
import type { Page, PageRequest } from '../page.ts'
import type { NewProfile, Profile, ProfileSettings } from '../profile/profile.ts'
import { checkUsable, type ProfileService } from '../profile/profile-service.ts'
import { resolveScope } from '../project-root.ts'
import { renderPrompt, type Task } from '../task/task.ts'
import type { TaskService } from '../task/task-service.ts'
import { type AdmissionDeps, admit } from './admission.ts'
import { configEvent } from './config-event.ts'
import { holdAdmitted, holdProfile } from './holds.ts'
import { cancelWaiting } from './input-store.ts'
import { type ConfigLevers, resolveConfig } from './resolve-config.ts'
import { isFinal, type Run, type RunFilter, type RunMode, type RunStatus } from './run.ts'
import { ended } from './run-queue.ts'
import { findRun, insertRun, listRuns, type RunInsert, requestStop } from './run-store.ts'

export interface NewRun {
  readonly taskId: string
  readonly profileId: string | null
  readonly profileRef: { readonly profileKey: string; readonly defaults: NewProfile | null } | null
  readonly tag: string | null
  readonly runMode: RunMode | null
  readonly inlineConfig: ProfileSettings
  readonly force: boolean
  readonly prompt: string | null
  readonly idempotencyKey: string | null
}

export interface RunServiceDeps {
  readonly db: Kysely<Tables>
  readonly redactor: Redactor
  readonly tasks: TaskService
  readonly profiles: ProfileService
  readonly admission: AdmissionDeps
  readonly levers: ConfigLevers
  readonly projectRoots: readonly string[]
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
    const task = await this.#deps.tasks.get(request.taskId)
    const { projectRoot } = await resolveScope(task, this.#deps.projectRoots)
    const known = await this.#knownProfile(request)
    const { registry } = this.#deps.admission
    const { config, sources } = resolveConfig(request.inlineConfig, known.settings, this.#deps.levers, {
      mode: request.runMode,
      hasProviderAccess: (type) => registry.hasProviderAccess(type),
    })
    const mode = request.runMode ?? (config.requiresSandbox ? 'sandboxed' : 'in_place')
    await admit({ config, mode, projectRoot }, this.#deps.admission)
    const prompt = this.#prompt(request, task)
    const profile = await this.#ensureProfile(request, known.profile)
    const events = await this.#insert(
      {
        id,
        taskId: task.id,
        profile: profile && { id: profile.id, version: profile.version },
        tag: request.tag ?? id,
        mode,
        config,
        sources,
        idempotencyKey: request.idempotencyKey,
        requestDigest: digest,
        inputId: uuid(),
        prompt,
      },
      task,
      [configEvent(config, sources, null), statusEvent(null, 'pending', null)],
    )
    if (!events) return { run: await this.get(id), replayed: true }
    this.#deps.publish(events)
    this.#deps.wake()
    return { run: await this.get(id), replayed: false }
  }

  /** @throws NOT_FOUND_RUN */
  async get(id: string): Promise<Run> {
    const run = await findRun(this.#deps.db, id)
    if (!run) throw notFound(id)
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

  /** The profile as it is now; nothing is made before the run is admitted. */
  async #knownProfile(request: NewRun): Promise<{ profile: Profile | null; settings: ProfileSettings }> {
    const { profileId, profileRef } = request
    if (profileId !== null) {
      const profile = await this.#deps.profiles.get(profileId)
      checkUsable(profile)
      return { profile, settings: profile.settings }
    }
    if (profileRef === null) return { profile: null, settings: {} }
    const profile = await this.#deps.profiles.findByKey(profileRef.profileKey)
    if (profile) checkUsable(profile)
    return { profile, settings: profile?.settings ?? profileRef.defaults?.settings ?? {} }
  }

  async #ensureProfile(request: NewRun, known: Profile | null): Promise<Profile | null> {
    if (known !== null || request.profileRef === null) return known
    const { profile } = await this.#deps.profiles.ensure({ ...request.profileRef, updateExisting: false })
    return profile
  }

  #prompt(request: NewRun, task: Task): string {
    const prompt = request.prompt ?? task.description
    if (prompt.trim() === '' && task.contextAttachments.length === 0) {
      throw new AppError(
        'VALIDATION_FIELD',
        'prompt is empty and the task has no description: give one of them.',
        {
          faults: [
            { field: 'prompt', rule: 'required', message: 'required while the task has no description' },
          ],
        },
      )
    }
    return storableText(renderPrompt(prompt, task.contextAttachments), this.#deps.redactor)
  }

  /** Null: the run is there already. */
  #insert(run: RunInsert, task: Task, events: readonly NewEvent[]): Promise<StoredEvent[] | null> {
    const written = this.#deps.db.transaction().execute(async (tx) => {
      await holdAdmitted(tx, task)
      await holdProfile(tx, run.profile)
      if (!(await insertRun(tx, run))) return null
      return append(tx, {
        runId: run.id,
        from: ['pending'],
        fence: null,
        patch: {},
        events: events.map((event) => toStorable(event, this.#deps.redactor)),
      })
    })
    return written.catch((error: unknown) => {
      if (violatedConstraint(error) === null) throw error
      // Two callers, each with a right of its own to the key, at the same moment.
      const message = 'Another run with this idempotency key is being created. Try again.'
      throw new AppError('STATE_IDEMPOTENCY_IN_FLIGHT', message, { cause: error })
    })
  }
}

export const statusEvent = (from: RunStatus | null, to: RunStatus, reason: string | null): NewEvent => ({
  payload: { status: { old_status: from, new_status: to, reason } },
  synthetic: true,
})

const notFound = (id: string): AppError => new AppError('NOT_FOUND_RUN', `There is no run with id ${id}.`)
