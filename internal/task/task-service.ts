/** Use cases of tasks. */
import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Tables } from '../db/tables.ts'
import { AppError } from '../errors.ts'
import { resolveScope } from '../project-root.ts'
import type { NewTask, Task } from './task.ts'
import { findTask, insertTask } from './task-store.ts'

export class TaskService {
  readonly #db: Kysely<Tables>
  readonly #roots: readonly string[]

  /** @param deps.projectRoots folders that projects must lie in; empty: any */
  constructor(deps: { db: Kysely<Tables>; projectRoots: readonly string[] }) {
    this.#db = deps.db
    this.#roots = deps.projectRoots
  }

  /** @throws VALIDATION_PROJECT_ROOT, VALIDATION_SCOPE */
  async create(task: NewTask): Promise<Task> {
    await resolveScope(task, this.#roots)
    const id = uuid()
    await insertTask(this.#db, id, task)
    return this.get(id)
  }

  /** @throws NOT_FOUND_TASK */
  async get(id: string): Promise<Task> {
    const task = await findTask(this.#db, id)
    if (!task) throw new AppError('NOT_FOUND_TASK', `There is no task with id ${id}.`)
    return task
  }
}
