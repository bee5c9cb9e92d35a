/** Use cases of tasks but cancelling (task-cancel.ts). */
import { isDeepStrictEqual } from 'node:util'
import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Db, Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import type { Page, PageRequest } from '../page.ts'
import { resolveScope } from '../project-root.ts'
import { checkRevision, type IfMatch } from '../revision.ts'
import type { NewTask, Task, TaskFilter, TaskUpdate } from './task.ts'
import {
  changeTask,
  findTask,
  hasRuns,
  hasRunToGoOn,
  hasUnfinishedRuns,
  insertTask,
  listTasks,
  lockTask,
  markDeleted,
  wasDeleted,
} from './task-store.ts'

export class TaskService {
  readonly #db: Kysely<Tables>
  readonly #roots: readonly string[]

  /** @param deps.projectRoots folders that projects must lie in; empty: any */
  constructor(deps: { db: Kysely<Tables>; projectRoots: readonly string[] }) {
    this.#db = deps.db
    this.#roots = deps.projectRoots
  }

  /**
   * @param id its id; creating the same id again answers the task of the first time
   * @throws VALIDATION_PROJECT_ROOT, VALIDATION_SCOPE
   */
  async create(task: NewTask, id: string = uuid()): Promise<Task> {
    await resolveScope(task, this.#roots)
    await insertTask(this.#db, id, task)
    return this.get(id)
  }

  /** @throws NOT_FOUND_TASK */
  async get(id: string): Promise<Task> {
    const task = await findTask(this.#db, id)
    if (!task) throw notFound(id)
    return task
  }

  list(filter: TaskFilter, page: PageRequest): Promise<Page<Task>> {
    return listTasks(this.#db, filter, page)
  }

  /**
   * Replaces what the task says; who made it stays. Runs that exist keep the prompt they were given.
   * @throws NOT_FOUND_TASK, PRECONDITION_FAILED, VALIDATION_PROJECT_ROOT, VALIDATION_SCOPE; STATE_TRANSITION_INVALID
   * where it would move away from under its runs
   */
  async update(id: string, wanted: TaskUpdate, ifMatch: IfMatch): Promise<Task> {
    // The file system is asked before anything is locked; what a task says already was good once.
    if (moves(await this.get(id), wanted)) await resolveScope(wanted, this.#roots)
    return this.#db.transaction().execute(async (tx) => {
      const task = await lockForChange(tx, id, ifMatch)
      if (isDeepStrictEqual(sayings(task), sayings(wanted))) return task
      if (moves(task, wanted)) await checkMove(tx, task, wanted)
      await changeTask(tx, id, wanted)
      return reread(tx, id)
    })
  }

  /**
   * Ends the task: nobody finds it any more. Its runs and their logs stay. Repeating it is harmless.
   * @throws NOT_FOUND_TASK, PRECONDITION_FAILED; STATE_TRANSITION_INVALID while it has unfinished runs
   */
  async delete(id: string, ifMatch: IfMatch): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      const task = await lockTask(tx, id, 'change')
      if (!task && (await wasDeleted(tx, id))) return
      if (!task) throw notFound(id)
      checkRevision(`Task ${id}`, task.revision, ifMatch)
      if ((await hasUnfinishedRuns(tx, id)) || (await hasRunToGoOn(tx, id))) {
        throw new AppError(
          'STATE_TRANSITION_INVALID',
          `Task ${id} has unfinished runs: cancel it (POST /api/v1/tasks/${id}/cancel), or wait for them.`,
        )
      }
      await markDeleted(tx, id)
    })
  }
}

/** @throws NOT_FOUND_TASK, PRECONDITION_FAILED */
export async function lockForChange(tx: Db, id: string, ifMatch: IfMatch): Promise<Task> {
  const task = await lockTask(tx, id, 'change')
  if (!task) throw notFound(id)
  checkRevision(`Task ${id}`, task.revision, ifMatch)
  return task
}

async function reread(tx: Db, id: string): Promise<Task> {
  const task = await findTask(tx, id)
  if (!task) throw notFound(id)
  return task
}

const moves = (task: Task, wanted: TaskUpdate): boolean =>
  task.projectRoot !== wanted.projectRoot || task.scopePath !== wanted.scopePath

/**
 * Sandboxes, diffs and commits of runs belong to the project they were made for, also those of a finished run that
 * goes on later; where in it the agent starts only matters while one works.
 */
async function checkMove(tx: Db, task: Task, wanted: TaskUpdate): Promise<void> {
  if (task.projectRoot !== wanted.projectRoot && (await hasRuns(tx, task.id))) {
    throw new AppError(
      'STATE_TRANSITION_INVALID',
      `project_root of task ${task.id} cannot change any more: its runs belong to it. Create another task.`,
    )
  }
  if (await hasUnfinishedRuns(tx, task.id)) {
    throw new AppError(
      'STATE_TRANSITION_INVALID',
      `scope_path of task ${task.id} cannot change while it has unfinished runs: cancel it, or wait for them.`,
    )
  }
}

const sayings = (task: TaskUpdate) => [
  task.title,
  task.description,
  task.scopePath,
  task.projectRoot,
  task.contextAttachments,
]

const notFound = (id: string): AppError => new AppError('NOT_FOUND_TASK', `There is no task with id ${id}.`)
