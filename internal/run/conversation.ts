/**
 * Use cases of talking to a run: tell it more, change or take back what it has not heard yet, interrupt it. A
 * finished or reviewable run goes on with a new turn; a running one gets a turn of its own afterwards, or is
 * told at once.
 */
import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { hasOpenApproval } from '../approval/approval-store.ts'
import type { Db, Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { StoredEvent } from '../event/event.ts'
import { append, type RunPatch } from '../event/event-store.ts'
import type { Redactor } from '../event/redactor.ts'
import { storableText, toStorable } from '../event/storable.ts'
import { invariant } from '../invariant.ts'
import type { Page, PageRequest } from '../page.ts'
import type { RunnerRegistry } from '../runner/registry.ts'
import { holdTask } from './holds.ts'
import {
  changeQueued,
  countQueued,
  findInput,
  inputEvent,
  insertInput,
  listInputs,
  MAX_QUEUED_INPUTS,
} from './input-store.ts'
import { isDriven, isFinal, type Run, type RunStatus } from './run.ts'
import type { RunInput } from './run-input.ts'
import { statusEvent } from './run-service.ts'
import { findRun, requestInterrupt } from './run-store.ts'

export interface ConversationDeps {
  readonly db: Kysely<Tables>
  readonly redactor: Redactor
  readonly registry: RunnerRegistry
  publish(events: readonly StoredEvent[]): void
  /** A run became pending. */
  wake(): void
  /** A driven run of this replica has something to hear, or shall end its turn. */
  steer(runId: string): void
  interrupting(runId: string): void
}

export class Conversation {
  readonly #deps: ConversationDeps

  constructor(deps: ConversationDeps) {
    this.#deps = deps
  }

  /**
   * @param inputId the input's id, where the caller's key stands for one; saying the same id again says nothing new
   * @throws NOT_FOUND_RUN; RUNNER_CAPABILITY where the runner cannot go on, or cannot be told while it works;
   * STATE_TRANSITION_INVALID while an approval is being carried out, or when too much waits to be heard;
   * NOT_FOUND_TASK where a finished run's task was deleted
   */
  async continue(
    id: string,
    request: {
      readonly message: string
      readonly delivery: 'queue' | 'steer'
      readonly actor: string | null
    },
    inputId: string = uuid(),
  ): Promise<{ run: Run; input: RunInput }> {
    const run = await this.#get(id)
    this.#checkAbility(run, request.delivery)
    const { delivery } = request
    const content = storableText(request.message, this.#deps.redactor)
    const actor = request.actor === null ? null : storableText(request.actor, this.#deps.redactor)
    const events = await this.#deps.db.transaction().execute(async (tx) => {
      const row = await lockRun(tx, id)
      if (await findInput(tx, id, inputId)) return []
      if ((await countQueued(tx, id)) >= MAX_QUEUED_INPUTS) {
        const message = `${MAX_QUEUED_INPUTS} inputs of run ${id} wait already. Try again when it has heard some.`
        throw new AppError('STATE_TRANSITION_INVALID', message)
      }
      const isIdle = row.status === 'needs_review' || isFinal(row.status)
      const turn = isIdle || delivery === 'queue' ? row.turn + 1 : row.turn
      await insertInput(tx, { id: inputId, runId: id, turn, source: 'continue', delivery, content, actor })
      return isIdle ? this.#goOn(tx, id, row) : []
    })
    this.#deps.publish(events)
    if (events.length > 0) this.#deps.wake()
    else if (delivery === 'steer') this.#deps.steer(id)
    const input = await findInput(this.#deps.db, id, inputId)
    invariant(input, 'an input that was just written is there')
    return { run: await this.#get(id), input }
  }

  /** Goes on with what was said while the last turn ran. Nothing to do when it cannot (yet). */
  async goOn(id: string): Promise<void> {
    const events = await this.#deps.db.transaction().execute(async (tx) => {
      const row = await lockRun(tx, id)
      if (row.status !== 'needs_review' && row.status !== 'complete') return []
      if ((await countQueued(tx, id)) === 0 || (await hasOpenApproval(tx, id))) return []
      return this.#goOn(tx, id, row)
    })
    if (events.length === 0) return
    this.#deps.publish(events)
    this.#deps.wake()
  }

  /** Oldest first. @throws NOT_FOUND_RUN */
  async inputs(id: string, page: PageRequest): Promise<Page<RunInput>> {
    await this.#get(id)
    return listInputs(this.#deps.db, id, page)
  }

  /** @throws NOT_FOUND_INPUT, STATE_INPUT_DELIVERED */
  async editInput(id: string, inputId: string, message: string): Promise<RunInput> {
    await this.#input(id, inputId)
    const content = storableText(message, this.#deps.redactor)
    if (!(await changeQueued(this.#deps.db, inputId, { content }))) throw delivered(inputId)
    return this.#input(id, inputId)
  }

  /** @throws NOT_FOUND_INPUT, STATE_INPUT_DELIVERED */
  async cancelInput(id: string, inputId: string): Promise<RunInput> {
    const input = await this.#input(id, inputId)
    if (input.status === 'cancelled') return input
    const events = await this.#deps.db.transaction().execute(async (tx) => {
      const row = await lockRun(tx, id)
      if (!(await changeQueued(tx, inputId, { status: 'cancelled' }))) return null
      const event = toStorable(inputEvent(input, 'cancelled'), this.#deps.redactor)
      return append(tx, { runId: id, from: [row.status], fence: null, patch: {}, events: [event] })
    })
    if (!events) throw delivered(inputId)
    this.#deps.publish(events)
    return this.#input(id, inputId)
  }

  /**
   * Ends the turn, not the run. Returns when the intent is durable.
   * @throws NOT_FOUND_RUN; STATE_TERMINAL; STATE_TRANSITION_INVALID where no turn runs
   */
  async interrupt(id: string, actor: string): Promise<Run> {
    const driven = await requestInterrupt(this.#deps.db, id, actor)
    if (driven) {
      this.#deps.interrupting(id)
      return driven
    }
    const run = await this.#get(id)
    if (isFinal(run.status))
      throw new AppError('STATE_TERMINAL', `Run ${id} is finished (${run.status}); no turn runs.`)
    throw new AppError(
      'STATE_TRANSITION_INVALID',
      `Run ${id} is ${run.status}: no turn runs that could be interrupted. Stop it to end it.`,
    )
  }

  /** Into the queue with a new turn. The row is locked. */
  async #goOn(
    tx: Db,
    id: string,
    row: { readonly status: RunStatus; readonly sandbox_generation: number; readonly task_id: string },
  ): Promise<StoredEvent[]> {
    if (await hasOpenApproval(tx, id)) {
      throw new AppError(
        'STATE_TRANSITION_INVALID',
        `An approval of run ${id} is being carried out. Try again.`,
      )
    }
    await holdTask(tx, row.task_id)
    const keeps = await keepsSandbox(tx, id, row.sandbox_generation)
    const events = await append(tx, {
      runId: id,
      from: [row.status],
      fence: null,
      patch: { ...NEXT_TURN, ...(!keeps && NEW_SANDBOX) },
      events: [toStorable(statusEvent(row.status, 'pending', 'continued'), this.#deps.redactor)],
    })
    invariant(events, 'a locked row has the status it was read with')
    return events
  }

  #checkAbility(run: Run, delivery: 'queue' | 'steer'): void {
    const { runnerType } = run.config
    const { capabilities } = this.#deps.registry.adapter(runnerType)
    if (!capabilities.continuation)
      throw new AppError('RUNNER_CAPABILITY', `${runnerType} cannot go on with a run: create a new one.`)
    if (delivery === 'steer' && isDriven(run.status) && !capabilities.steer) {
      const message = `delivery steer: ${runnerType} cannot be told anything while it works; send delivery queue.`
      throw new AppError('RUNNER_CAPABILITY', message)
    }
  }

  async #input(id: string, inputId: string): Promise<RunInput> {
    const input = await findInput(this.#deps.db, id, inputId)
    if (input) return input
    throw new AppError('NOT_FOUND_INPUT', `Run ${id} has no input with id ${inputId}.`)
  }

  async #get(id: string): Promise<Run> {
    const run = await findRun(this.#deps.db, id)
    if (!run) throw notFound(id)
    return run
  }
}

const NEXT_TURN: RunPatch = {
  status: 'pending',
  phase: 'queued',
  turn: sql<number>`turn + 1`,
  turn_attempt: 0,
  ended_at: null,
  failure: null,
  approval_state: 'none',
  diff_digest: null,
  diff_files: null,
  diff_additions: null,
  diff_deletions: null,
  stop_requested_at: null,
  stop_requested_by: null,
}

/** The old one is gone, or about to go. */
const NEW_SANDBOX: RunPatch = { sandbox_generation: sql<number>`sandbox_generation + 1`, sandbox_id: null }

/** A sandbox that cleanup has taken is not gone back to. */
async function keepsSandbox(tx: Db, runId: string, generation: number): Promise<boolean> {
  const row = await tx
    .selectFrom('run_sandboxes')
    .select('deleted_at')
    .where('run_id', '=', runId)
    .where('generation', '=', generation)
    .executeTakeFirst()
  return row !== undefined && row.deleted_at === null
}

async function lockRun(
  tx: Db,
  id: string,
): Promise<{ status: RunStatus; turn: number; sandbox_generation: number; task_id: string }> {
  const row = await tx
    .selectFrom('runs')
    .select(['status', 'turn', 'sandbox_generation', 'task_id'])
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw notFound(id)
  return row
}

const delivered = (id: string): AppError =>
  new AppError(
    'STATE_INPUT_DELIVERED',
    `Input ${id} is not waiting any more: the agent has it, or it was cancelled.`,
  )

const notFound = (id: string): AppError => new AppError('NOT_FOUND_RUN', `There is no run with id ${id}.`)
