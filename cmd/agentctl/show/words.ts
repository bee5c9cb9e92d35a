/** Statuses in the words and colours of people. */
import { shortStatus } from '../../../api/client/index.ts'
import type { Paint, Style } from '../terminal.ts'

const STYLES: Readonly<Record<string, Style>> = {
  complete: 'green',
  approved: 'green',
  needs_review: 'yellow',
  failed: 'red',
  cancelled: 'dim',
  running: 'cyan',
  starting: 'cyan',
}

/** `RUN_STATUS_NEEDS_REVIEW` or `needs_review` -> `needs review`, coloured. */
export function statusWord(name: string, paint: Paint): string {
  const short = shortStatus(name)
  return paint(STYLES[short] ?? 'reset', short.replaceAll('_', ' '))
}

/** `RUNNER_TYPE_CLAUDE_CODE` -> `claude-code` */
export const runnerWord = (name: string | null): string =>
  (name ?? '')
    .replace(/^RUNNER_TYPE_/, '')
    .toLowerCase()
    .replaceAll('_', '-')

/** `APPROVAL_STATE_PENDING` -> `pending` */
export const approvalWord = (name: string): string =>
  name
    .replace(/^APPROVAL_STATE_/, '')
    .toLowerCase()
    .replaceAll('_', ' ')

/** How long ago, in one unit. */
export function ago(time: string | null, now = Date.now()): string {
  if (time === null) return ''
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000))
  if (seconds < 60) return `${seconds}s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ago`
  return `${Math.floor(seconds / 86_400)}d ago`
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`
