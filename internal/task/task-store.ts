/** All SQL of tasks. */
import type { Db } from '../db/tables.ts'
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
    .where('deleted_at', 'is', null)
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
