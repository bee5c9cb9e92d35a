/** What someone wants done. A task outlives its runs; its status is that of its newest run. */
import type { ApprovalState, RunStatus } from '../run/run.ts'

export const TASK_STATUSES = [
  'queued',
  'running',
  'needs_review',
  'approved',
  'rejected',
  'failed',
  'cancelled',
] as const
export type TaskStatus = (typeof TASK_STATUSES)[number]

export interface ContextAttachment {
  readonly type: 'file' | 'link' | 'note'
  readonly key: string | null
  readonly tags: readonly string[]
  readonly path: string | null
  readonly url: string | null
  readonly content: string | null
  readonly label: string | null
}

export interface NewTask {
  readonly title: string
  readonly description: string
  /** As given: relative to the project root, or absolute inside it; `""` and `.` are the root. */
  readonly scopePath: string
  readonly projectRoot: string
  readonly contextAttachments: readonly ContextAttachment[]
  readonly createdBy: string | null
}

export interface Task extends NewTask {
  readonly id: string
  readonly status: TaskStatus
  readonly createdAt: Date
  readonly updatedAt: Date
  /** Up by one with every change of the task itself; its status follows its runs. */
  readonly revision: number
}

/** What a task shall say from now on. */
export type TaskUpdate = Omit<NewTask, 'createdBy'>

export interface TaskFilter {
  readonly status: TaskStatus | null
  /** Only tasks whose scope_path starts so. */
  readonly scopePrefix: string | null
}

/**
 * The status of a task from that of its newest run (null: it has none). task-store.ts says the same in SQL, and a
 * test compares the two.
 */
export function taskStatus(
  newest: { status: RunStatus; approvalState: ApprovalState } | null,
  isCancelled: boolean,
): TaskStatus {
  if (newest === null) return isCancelled ? 'cancelled' : 'queued'
  switch (newest.status) {
    case 'pending':
      return 'queued'
    case 'starting':
    case 'running':
      return 'running'
    case 'needs_review':
      return 'needs_review'
    case 'complete':
      return newest.approvalState === 'rejected' ? 'rejected' : 'approved'
    case 'failed':
      return 'failed'
    case 'cancelled':
      return 'cancelled'
  }
}

/**
 * The text handed to the agent: the prompt, then each attachment in its own tagged block. Files are named,
 * not read.
 */
export function renderPrompt(prompt: string, attachments: readonly ContextAttachment[]): string {
  return [prompt, ...attachments.map(renderAttachment)].join('\n\n')
}

function renderAttachment(attachment: ContextAttachment): string {
  const attributes = [
    ['key', attachment.key],
    ['type', attachment.type],
    ['tags', attachment.tags.join(',') || null],
    ['label', attachment.label],
    ['path', attachment.path],
    ['url', attachment.url],
  ]
  const rendered = attributes
    .flatMap(([name, value]) => (value ? [`${name}="${escapeAttribute(value)}"`] : []))
    .join(' ')
  return `<context ${rendered}>${attachment.content ?? ''}</context>`
}

const escapeAttribute = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('\n', ' ')
