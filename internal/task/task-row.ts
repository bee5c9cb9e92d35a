/** A row of tasks as the product sees it, with the run that its status follows from. */
import { type Selectable, type SqlBool, sql } from 'kysely'
import type { Db, TasksTable } from '../db/tables.ts'
import type { ApprovalState, RunStatus } from '../run/run.ts'
import { AttachmentsSchema } from '../stored-json.ts'
import { type Task, type TaskStatus, taskStatus } from './task.ts'

/** Tasks that are not deleted, each with its newest run that is shown as `newest` (index runs_of_task). */
export const withNewestRun = (db: Db) =>
  db
    .selectFrom('tasks')
    .leftJoinLateral(
      (eb) =>
        eb
          .selectFrom('runs')
          .select(['runs.status', 'runs.approval_state'])
          .whereRef('runs.task_id', '=', 'tasks.id')
          .where('runs.deleted_at', 'is', null)
          .orderBy('runs.created_at', 'desc')
          .orderBy('runs.id', 'desc')
          .limit(1)
          .as('newest'),
      (join) => join.onTrue(),
    )
    .where('tasks.deleted_at', 'is', null)

/** `taskStatus` (task.ts) once more, over the rows of `withNewestRun`. A test compares the two. */
const STATUS = sql<TaskStatus>`CASE
  WHEN newest.status IS NULL THEN CASE WHEN tasks.cancelled_at IS NULL THEN 'queued' ELSE 'cancelled' END
  WHEN newest.status = 'pending' THEN 'queued'
  WHEN newest.status = 'starting' THEN 'running'
  WHEN newest.status <> 'complete' THEN newest.status
  WHEN newest.approval_state = 'rejected' THEN 'rejected'
  ELSE 'approved' END`

const ofRuns = (condition: string) => `SELECT task_id FROM agent_manager.runs WHERE ${condition}`

/**
 * Tasks that may have the status, found from the few runs that give it (indexes runs_unfinished, runs_not_approved)
 * instead of among all tasks. Most are approved: those are found at once in any case.
 */
const MAY_HAVE: Record<Exclude<TaskStatus, 'approved'>, string> = {
  queued: `${ofRuns(`status = 'pending'`)} UNION ALL SELECT id FROM agent_manager.tasks AS t
    WHERE NOT EXISTS (SELECT FROM agent_manager.runs WHERE task_id = t.id AND deleted_at IS NULL)`,
  running: ofRuns(`status IN ('starting', 'running')`),
  needs_review: ofRuns(`status = 'needs_review'`),
  rejected: ofRuns(`status = 'complete' AND approval_state = 'rejected'`),
  failed: ofRuns(`status = 'failed'`),
  cancelled: `${ofRuns(`status = 'cancelled'`)} UNION ALL SELECT id FROM agent_manager.tasks
    WHERE cancelled_at IS NOT NULL AND deleted_at IS NULL`,
}

/** Over the rows of `withNewestRun`. */
export function hasStatus(status: TaskStatus) {
  const is = sql<SqlBool>`${STATUS} = ${status}`
  return status === 'approved' ? is : sql<SqlBool>`${is} AND tasks.id IN (${sql.raw(MAY_HAVE[status])})`
}

export function toTask(
  row: Selectable<TasksTable> & {
    readonly run_status: RunStatus | null
    readonly run_approval_state: ApprovalState | null
  },
): Task {
  const { run_status: status, run_approval_state: approvalState } = row
  const newest = status === null || approvalState === null ? null : { status, approvalState }
  return {
    id: row.id,
    title: row.title,
    description: row.description,
    scopePath: row.scope_path,
    projectRoot: row.project_root,
    contextAttachments: AttachmentsSchema.parse(JSON.parse(row.context_attachments)),
    createdBy: row.created_by,
    status: taskStatus(newest, row.cancelled_at !== null),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    revision: row.revision,
  }
}
