/** Tasks on the wire. */
import { z } from 'zod'
import type { ContextAttachment, NewTask, Task, TaskFilter, TaskUpdate } from '../../internal/task/task.ts'
import { protoEnumOut, protoEnumQuery, protoName, TASK_STATUS } from '../dialect/enums.ts'
import { longTextIn, outputOnly, requiredTextIn, textIn } from '../dialect/fields.ts'
import { MAX_TEXT_BYTES } from '../limits.ts'
import { NOT_YET } from '../not-yet.ts'
import { actorIn, idOut, repeatedId, time, timeOut } from './common.ts'
import { pageOut, pageQuery } from './page.ts'

const ATTACHMENT_TYPES = ['file', 'link', 'note'] as const

const attachmentIn = z
  .strictObject({
    type: z.enum(ATTACHMENT_TYPES, { error: 'must be one of file, link, note' }),
    key: textIn(128, 'A name for it, unique in the task.'),
    tags: z
      .array(z.string().max(64))
      .max(10)
      .nullish()
      .transform((tags) => tags ?? []),
    path: textIn(4096, 'Of a file; it is named to the agent, not read.'),
    url: textIn(8192, 'Of a link.'),
    content: longTextIn(MAX_TEXT_BYTES, 'Its text.'),
    label: textIn(255, 'What it is.'),
  })
  .meta({ description: 'Something the agent is told besides the prompt.' })

const scopePathIn = z
  .string()
  .max(4096)
  .refine((path) => !path.split('/').includes('..'), {
    params: { rule: 'scope' },
    error: 'must not contain ".." segments; name the folder from the project root',
  })
  .nullish()
  .transform((path) => path ?? '')
  .meta({
    description:
      'Where in the project the agent starts: relative to project_root or absolute inside it; "" and "." are the root. It need not exist.',
  })

export const taskIn = z
  .strictObject({
    title: requiredTextIn(255, 'What it is about, in a line.'),
    description: longTextIn(MAX_TEXT_BYTES, 'What is wanted: the prompt of its runs where they give none.'),
    scope_path: scopePathIn,
    project_root: requiredTextIn(4096, 'Absolute path of the project.'),
    context_attachments: z
      .array(attachmentIn)
      .max(100)
      .nullish()
      .transform((attachments) => attachments ?? []),
    created_by: textIn(255, 'Who made it.'),
    ...NOT_YET.task,
    id: outputOnly('The id.'),
    status: outputOnly('The status.'),
    created_at: outputOnly('When it was made.'),
    updated_at: outputOnly('When it last changed.'),
  })
  .meta({ id: 'NewTask', description: 'What someone wants done.' })

export const createTaskBody = z.strictObject({ task: taskIn })

export const updateTaskBody = z.strictObject({ task_id: repeatedId, task: taskIn })

/** A body that says nothing but who asks. */
export const cancelTaskBody = z.strictObject({ task_id: repeatedId, actor: actorIn })

export const listTasksQuery = z.strictObject({
  status: protoEnumQuery(TASK_STATUS, 'Only tasks in this status.'),
  scope_prefix: z
    .string()
    .max(4096)
    .optional()
    .meta({ description: 'Only tasks whose scope_path, as it was given, starts so.' }),
  ...pageQuery('Tasks'),
})

export const taskFilterFrom = (query: z.output<typeof listTasksQuery>): TaskFilter => ({
  status: query.status,
  scopePrefix: query.scope_prefix || null,
})

export const taskFrom = (input: z.output<typeof taskIn>): NewTask => ({
  ...taskUpdateFrom(input),
  createdBy: input.created_by,
})

export const taskUpdateFrom = (input: z.output<typeof taskIn>): TaskUpdate => ({
  title: input.title,
  description: input.description ?? '',
  scopePath: input.scope_path,
  projectRoot: input.project_root,
  contextAttachments: input.context_attachments,
})

const attachmentOut = z.strictObject({
  type: z.enum(ATTACHMENT_TYPES),
  key: z.string().nullable(),
  tags: z.array(z.string()),
  path: z.string().nullable(),
  url: z.string().nullable(),
  content: z.string().nullable(),
  label: z.string().nullable(),
})

export const taskOut = z
  .strictObject({
    id: idOut,
    title: z.string(),
    description: z.string(),
    scope_path: z.string(),
    project_root: z.string(),
    phase_prompt_ids: z.array(z.string()).meta({ description: 'Always empty: not built yet.' }),
    context_attachments: z.array(attachmentOut),
    status: protoEnumOut(
      TASK_STATUS,
      'Follows from the newest run; without one queued, or cancelled where somebody cancelled it.',
    ),
    created_by: z.string().nullable(),
    created_at: timeOut('When the task was made.'),
    updated_at: timeOut('When it last changed.'),
  })
  .meta({ id: 'Task', description: 'What someone wants done. It outlives its runs.' })

const attachmentView = (attachment: ContextAttachment): z.output<typeof attachmentOut> => ({
  type: attachment.type,
  key: attachment.key,
  tags: [...attachment.tags],
  path: attachment.path,
  url: attachment.url,
  content: attachment.content,
  label: attachment.label,
})

export function taskView(task: Task): z.output<typeof taskOut> {
  return {
    id: task.id,
    title: task.title,
    description: task.description,
    scope_path: task.scopePath,
    project_root: task.projectRoot,
    phase_prompt_ids: [],
    context_attachments: task.contextAttachments.map(attachmentView),
    status: protoName(TASK_STATUS, task.status),
    created_by: task.createdBy,
    created_at: time(task.createdAt),
    updated_at: time(task.updatedAt),
  }
}

export const taskAnswer = z.strictObject({ task: taskOut })

export const listTasksAnswer = z.strictObject({ tasks: z.array(taskOut), ...pageOut })

export const cancelTaskAnswer = z.strictObject({
  success: z.literal(true),
  status: z
    .literal('cancelled')
    .meta({ description: 'The intent is durable; runs of the task that are at work end in a moment.' }),
  task: taskOut,
})
