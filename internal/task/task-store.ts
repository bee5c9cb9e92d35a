/** All SQL of tasks. */
import type { Db } from '../db/tables.ts'
import type { ApprovalState, RunStatus } from '../run/run.ts'
import { AttachmentsSchema } from '../stored-json.ts'
import { type NewTask, type Task, taskStatus } from './task.ts'

export async function insertTask(db: Db, id: string, task: NewTask): Promise<void> {
  await db
    .insertInto('tasks')
    .values({
      id,
      title: task.title,
      description: task.description,
      scope_path: task.scopePath,
      project_root: task.projectRoot,
      context_attachments: JSON.stringify(task.contextAttachments),
      created_by: task.createdBy,
    })
    .execute()
}

/** The task with the status of its newest run (index runs_of_task). */
export async function findTask(db: Db, id: string): Promise<Task | null> {
  const row = await db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirst()
  if (!row) return null
  const newest = await db
    .selectFrom('runs')
    .select(['status', 'approval_state'])
    .where('task_id', '=', id)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return {
    id: row.id,
    title: row.title,
    description: row.description,
    scopePath: row.scope_path,
    projectRoot: row.project_root,
    contextAttachments: AttachmentsSchema.parse(JSON.parse(row.context_attachments)),
    createdBy: row.created_by,
    status: taskStatus(newest ? { status: newest.status, approvalState: newest.approval_state } : null),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** The newest run of the task that a run belongs to; null where that run is gone. Index runs_of_task. */
export async function newestRunOfTask(
  db: Db,
  runId: string,
): Promise<{ id: string; taskId: string; status: RunStatus; approvalState: ApprovalState } | null> {
  const row = await db
    .selectFrom('runs')
    .select(['id', 'task_id', 'status', 'approval_state'])
    .where('task_id', '=', (eb) => eb.selectFrom('runs').select('task_id').where('id', '=', runId))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row
    ? { id: row.id, taskId: row.task_id, status: row.status, approvalState: row.approval_state }
    : null
}
