/** All SQL of tasks. A deleted task is found by nobody. */
import { type SqlBool, sql } from 'kysely'
import { afterPage, cursorOf, toPage } from '../db/pages.ts'
import type { Db } from '../db/tables.ts'
import type { Page, PageRequest } from '../page.ts'
import { UNFINISHED_STATUSES } from '../run/run.ts'
import type { NewTask, Task, TaskFilter, TaskUpdate } from './task.ts'
import { hasStatus, toTask, withNewestRun } from './task-row.ts'

const selectTasks = (db: Db) =>
  withNewestRun(db)
    .selectAll('tasks')
    .select(['newest.status as run_status', 'newest.approval_state as run_approval_state'])

/** Nothing where the id is there already. */
export async function insertTask(db: Db, id: string, task: NewTask): Promise<void> {
  await db
    .insertInto('tasks')
    .values({ id, ...columnsOf(task), created_by: task.createdBy })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute()
}

const columnsOf = (task: TaskUpdate) => ({
  title: task.title,
  description: task.description,
  scope_path: task.scopePath,
  project_root: task.projectRoot,
  context_attachments: JSON.stringify(task.contextAttachments),
})

export async function findTask(db: Db, id: string): Promise<Task | null> {
  const row = await selectTasks(db).where('tasks.id', '=', id).executeTakeFirst()
  return row ? toTask(row) : null
}

/**
 * Keeps a task as it is until the transaction ends. `use`: others may use it too (a run is made for it); `change`:
 * nobody may, and who uses it now is waited for.
 */
export async function lockTask(tx: Db, id: string, purpose: 'use' | 'change'): Promise<Task | null> {
  const row = tx.selectFrom('tasks').select('id').where('id', '=', id)
  await (purpose === 'use' ? row.forKeyShare() : row.forUpdate()).execute()
  // Read when the lock is there: who held it may have made a run.
  return findTask(tx, id)
}

/** Newest first, by keyset (created_at, id). Index tasks_newest; by status see `hasStatus`. */
export async function listTasks(db: Db, filter: TaskFilter, page: PageRequest): Promise<Page<Task>> {
  const { status, scopePrefix } = filter
  const inScope =
    scopePrefix === null ? sql<SqlBool>`true` : sql<SqlBool>`starts_with(scope_path, ${scopePrefix})`
  const inStatus = status === null ? sql<SqlBool>`true` : hasStatus(status)
  const rows = await selectTasks(db)
    .select(cursorOf('tasks').as('cursor'))
    .where(inScope)
    .where(inStatus)
    .where(afterPage('tasks', page.after))
    .orderBy('tasks.created_at', 'desc')
    .orderBy('tasks.id', 'desc')
    .offset(page.offset)
    .limit(page.size + 1)
    .execute()
  // Counting looks at runs only where they matter.
  const matching =
    status === null
      ? db.selectFrom('tasks').select('id').where('deleted_at', 'is', null).where(inScope)
      : withNewestRun(db).select('tasks.id').where(inScope).where(inStatus)
  return toPage(db, { table: 'tasks', size: page.size, matching }, rows, toTask)
}

/** The task is locked. */
export const changeTask = (tx: Db, id: string, next: TaskUpdate): Promise<unknown> =>
  changed(tx, id).set(columnsOf(next)).execute()

/** The task is locked. A second time changes nothing: false. */
export async function markCancelled(tx: Db, id: string): Promise<boolean> {
  const row = await changed(tx, id)
    .set({ cancelled_at: sql<Date>`now()` })
    .where('cancelled_at', 'is', null)
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** The task is locked. */
export const markDeleted = (tx: Db, id: string): Promise<unknown> =>
  changed(tx, id).set({ deleted_at: sql<Date>`now()` }).execute()

const changed = (tx: Db, id: string) =>
  tx
    .updateTable('tasks')
    .set({ revision: sql<number>`revision + 1`, updated_at: sql<Date>`now()` })
    .where('id', '=', id)

/** Whether there is a task of this id that was deleted. */
export async function wasDeleted(db: Db, id: string): Promise<boolean> {
  const row = await db
    .selectFrom('tasks')
    .select('id')
    .where('id', '=', id)
    .where('deleted_at', 'is not', null)
    .executeTakeFirst()
  return row !== undefined
}

/** Whether a run of the task still goes on or waits for somebody. */
export async function hasUnfinishedRuns(db: Db, taskId: string): Promise<boolean> {
  const row = await unfinishedRuns(db, taskId).limit(1).executeTakeFirst()
  return row !== undefined
}

/** Ids of unfinished runs that nobody asked to stop yet, oldest first. */
export async function runsToStop(db: Db, taskId: string, limit: number): Promise<string[]> {
  const rows = await unfinishedRuns(db, taskId)
    .where('stop_requested_at', 'is', null)
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}

/** Index runs_unfinished. */
const unfinishedRuns = (db: Db, taskId: string) =>
  db.selectFrom('runs').select('id').where('task_id', '=', taskId).where('status', 'in', UNFINISHED_STATUSES)

/** Whether a run of the task is over and goes on at once, because it has more to be told. */
export async function hasRunToGoOn(db: Db, taskId: string): Promise<boolean> {
  const row = await db
    .selectFrom('run_inputs')
    .innerJoin('runs', 'runs.id', 'run_inputs.run_id')
    .select('runs.id')
    .where('runs.task_id', '=', taskId)
    .where('runs.status', '=', 'complete')
    .where('run_inputs.status', '=', 'queued')
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Whether the task has or had runs. */
export async function hasRuns(db: Db, taskId: string): Promise<boolean> {
  const row = await db
    .selectFrom('runs')
    .select('id')
    .where('task_id', '=', taskId)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
