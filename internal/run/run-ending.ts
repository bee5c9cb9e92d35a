/** Use cases of ending runs beyond stopping one: by tag, all at once, and taking a finished one out of sight. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { NewEvent, StoredEvent } from '../event/event.ts'
import { append } from '../event/event-store.ts'
import type { Redactor } from '../event/redactor.ts'
import { storableText, toStorable } from '../event/storable.ts'
import { cancelWaiting } from './input-store.ts'
import { FINAL_STATUSES, isFinal, type Run } from './run.ts'
import { databaseTime, deletedPatch, lockForDeletion, stoppableRuns } from './run-ending-store.ts'

export interface RunEndingDeps {
  readonly db: Kysely<Tables>
  readonly redactor: Redactor
  /** Stops one run (run-service.ts). */
  stop(id: string, actor: string): Promise<Run>
  getByTag(tag: string): Promise<Run>
  publish(events: readonly StoredEvent[]): void
  /** A run was deleted: what it left behind may go. */
  forget(): void
}

/** Runs that are read at once, and stopped side by side: less than half of the default connections. */
const PAGE = 100
const AT_ONCE = 8
/** Failures that one answer tells of. */
const MAX_FAILURES = 100

export interface StoppedRuns {
  readonly stopped: number
  readonly failures: readonly { readonly runId: string; readonly error: string }[]
}

export class RunEnding {
  readonly #deps: RunEndingDeps

  constructor(deps: RunEndingDeps) {
    this.#deps = deps
  }

  /** Stops the newest run of exactly this tag. @throws NOT_FOUND_RUN and what `stop` throws */
  async stopByTag(tag: string, actor: string): Promise<Run> {
    const { id } = await this.#deps.getByTag(tag)
    return this.#deps.stop(id, actor)
  }

  /**
   * Stops every run there is now that is not finished; repeating it is harmless. A run that ends by itself
   * meanwhile counts for nothing.
   * @param tagPrefix only runs whose tag starts so; null: all
   */
  async stopAll(tagPrefix: string | null, actor: string): Promise<StoppedRuns> {
    const until = await databaseTime(this.#deps.db)
    const failures: { runId: string; error: string }[] = []
    let stopped = 0
    let after: string | null = null
    for (;;) {
      const ids: string[] = await stoppableRuns(this.#deps.db, { tagPrefix, until, after, limit: PAGE })
      for (let at = 0; at < ids.length; at += AT_ONCE) {
        const batch = ids.slice(at, at + AT_ONCE)
        const answers = await Promise.all(batch.map((id) => this.#stopOne(id, actor)))
        stopped += answers.filter((answer) => answer === 'stopped').length
        failures.push(...answers.filter((answer) => typeof answer === 'object'))
      }
      after = ids.at(-1) ?? null
      if (ids.length < PAGE) return { stopped, failures: failures.slice(0, MAX_FAILURES) }
    }
  }

  /** @throws what is not the run's own state: then the whole is worth repeating */
  async #stopOne(id: string, actor: string): Promise<'stopped' | 'over' | { runId: string; error: string }> {
    try {
      await this.#deps.stop(id, actor)
      return 'stopped'
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (error.code === 'STATE_TERMINAL' || error.code === 'NOT_FOUND_RUN') return 'over'
      if (!error.code.startsWith('STATE_')) throw error
      return { runId: id, error: error.message }
    }
  }

  /**
   * Takes a finished run out of sight; its log stays. Sandbox and home go a moment later. Deleting it again is
   * harmless: a caller whose answer was lost asks again.
   * @throws NOT_FOUND_RUN; STATE_TRANSITION_INVALID while it is not finished
   */
  async delete(id: string, actor: string): Promise<void> {
    const by = storableText(actor, this.#deps.redactor)
    const events = await this.#deps.db.transaction().execute(async (tx) => {
      const row = await lockForDeletion(tx, id)
      if (!row) throw new AppError('NOT_FOUND_RUN', `There is no run with id ${id}.`)
      if (row.isDeleted) return []
      if (!isFinal(row.status)) {
        throw new AppError(
          'STATE_TRANSITION_INVALID',
          `Run ${id} is ${row.status}: only a finished run can be deleted. Stop it first.`,
        )
      }
      // What still waits to be heard would wake it.
      const cancelled = await cancelWaiting(tx, id)
      return append(tx, {
        runId: id,
        from: FINAL_STATUSES,
        fence: null,
        patch: deletedPatch(by),
        events: [...cancelled, deletedEvent(by)].map((event) => toStorable(event, this.#deps.redactor)),
      })
    })
    this.#deps.publish(events ?? [])
    this.#deps.forget()
  }
}

const deletedEvent = (actor: string): NewEvent => ({
  payload: { log: { level: 'info', message: `run deleted by ${actor}` } },
  synthetic: true,
})
