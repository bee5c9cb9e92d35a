/** Cancelling a task: nobody wants it any more, so its runs stop. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { IfMatch } from '../revision.ts'
import type { Task } from './task.ts'
import { lockForChange, type TaskService } from './task-service.ts'
import { hasUnfinishedRuns, markCancelled, runsToStop } from './task-store.ts'

/** Runs of one task that one request stops at most; where there are more, it says so. */
const MAX_STOPPED_RUNS = 1000

export interface TaskCancelDeps {
  readonly db: Kysely<Tables>
  readonly tasks: TaskService
  /** Durable intent to stop; a run that is stopping stays so. Throws STATE_TERMINAL on a finished run. */
  stopRun(id: string, actor: string): Promise<unknown>
}

export class TaskCancel {
  readonly #deps: TaskCancelDeps

  constructor(deps: TaskCancelDeps) {
    this.#deps = deps
  }

  /**
   * Returns when the intent to stop is durable for every unfinished run; the status then follows from the newest
   * one. Repeating it is harmless. A run that is created afterwards is somebody's new wish and is left alone.
   * @throws NOT_FOUND_TASK, PRECONDITION_FAILED; STATE_TERMINAL where its work is done; STATE_TRANSITION_INVALID
   * while an approval of one of its runs is being carried out
   */
  async cancel(id: string, actor: string, ifMatch: IfMatch): Promise<Task> {
    const runs = await this.#deps.db.transaction().execute(async (tx) => {
      const task = await lockForChange(tx, id, ifMatch)
      const isAtRest = task.status !== 'queued' && task.status !== 'cancelled'
      if (isAtRest && !(await hasUnfinishedRuns(tx, id))) {
        throw new AppError('STATE_TERMINAL', `Task ${id} is ${task.status}; there is nothing to cancel.`)
      }
      await markCancelled(tx, id)
      return runsToStop(tx, id, MAX_STOPPED_RUNS + 1)
    })
    await this.#stop(runs.slice(0, MAX_STOPPED_RUNS), actor)
    if (runs.length > MAX_STOPPED_RUNS) {
      const message = `${MAX_STOPPED_RUNS} runs of task ${id} are being stopped, and it has more. Try again.`
      throw new AppError('STATE_TRANSITION_INVALID', message)
    }
    return this.#deps.tasks.get(id)
  }

  /** Each on its own: one that cannot be stopped now keeps no other running. @throws what the first such one says */
  async #stop(runs: readonly string[], actor: string): Promise<void> {
    const failures: unknown[] = []
    for (const run of runs) {
      try {
        await this.#deps.stopRun(run, actor)
      } catch (error) {
        if (error instanceof AppError && error.code === 'STATE_TERMINAL') continue // it finished meanwhile
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
