/**
 * A run as it happens, for the eye: what the agent says, what it calls, where the run stands. Text on its way is shown
 * as it comes; the event that tells it again as a whole then only ends the line.
 */
import type { RunDelta, RunEvent } from '../../../api/client/index.ts'
import type { Paint } from '../terminal.ts'
import { oneLine, safe } from './safe.ts'
import { statusWord } from './words.ts'

const KEPT = 20

export class RunPicture {
  readonly #paint: Paint
  /** The text on its way that was shown and not ended yet. */
  #open = ''
  #openKind: string | null = null
  /** Texts that were shown as they came and not told as a whole yet: other events may come in between. */
  #shown: string[] = []

  constructor(paint: Paint) {
    this.#paint = paint
  }

  /** What to write for a piece of text on its way. */
  delta({ delta: { kind, text } }: RunDelta): string {
    if (kind !== 'text') return ''
    const before = this.#openKind === kind ? '' : this.#endOpen()
    this.#openKind = kind
    this.#open += text
    return before + safe(text)
  }

  /** What to write for an event: whole lines, or nothing. */
  event(event: RunEvent): string {
    if (event.message !== undefined) return this.#message(event.message)
    const line = this.#line(event)
    return line === null ? '' : `${this.#endOpen()}${line}\n`
  }

  /** Call it before something else is written. */
  end(): string {
    return this.#endOpen()
  }

  #message({ role, content }: NonNullable<RunEvent['message']>): string {
    const end = this.#endOpen()
    if (role === 'user') return '' // the input event has said it
    const known = this.#shown.indexOf(content.trim())
    if (known === -1) return `${end}${safe(content)}\n`
    this.#shown.splice(known, 1)
    return end
  }

  #endOpen(): string {
    const end = this.#open === '' || this.#open.endsWith('\n') ? '' : '\n'
    if (this.#open !== '') this.#shown = [...this.#shown.slice(1 - KEPT), this.#open.trim()]
    this.#open = ''
    this.#openKind = null
    return end
  }

  #line(event: RunEvent): string | null {
    const paint = this.#paint
    if (event.status !== undefined) return this.#status(event.status)
    if (event.input !== undefined) return `${paint('bold', '>')} ${safe(event.input.content)}`
    if (event.tool_call !== undefined) {
      const { tool_name: name, input } = event.tool_call
      return `${paint('cyan', name)} ${paint('dim', oneLine(about(input)))}`
    }
    if (event.tool_result !== undefined) {
      const { success, error, output } = event.tool_result
      return success ? null : paint('red', `  failed: ${oneLine(error ?? output)}`)
    }
    if (event.interaction !== undefined) return this.#interaction(event.interaction)
    if (event.error !== undefined) return paint('red', `error: ${safe(event.error.message)}`)
    if (event.rate_limit !== undefined)
      return paint('yellow', `rate limit: ${safe(event.rate_limit.message)}`)
    if (event.approval !== undefined) return approvalLine(event.approval)
    if (event.log !== undefined && (event.log.level === 'warn' || event.log.level === 'error')) {
      return paint('dim', `${event.log.level}: ${oneLine(event.log.message)}`)
    }
    return null
  }

  #status({ new_status: status, reason }: NonNullable<RunEvent['status']>): string {
    return `${this.#paint('dim', '·')} ${statusWord(status, this.#paint)}${reason === null ? '' : this.#paint('dim', ` (${safe(reason)})`)}`
  }

  #interaction({
    kind,
    status,
    tool_name: tool,
    decision,
    decided_by: by,
  }: NonNullable<RunEvent['interaction']>) {
    const what = kind === 'question' ? 'a question' : `permission for ${tool ?? 'something'}`
    if (status === 'pending') return this.#paint('yellow', `? asks: ${what}`)
    const end =
      decision === null
        ? status
        : `${decision === 'allow' ? 'allowed' : 'denied'}${by === null ? '' : ` by ${safe(by)}`}`
    return this.#paint('dim', `  ${what}: ${end}${status === 'expired' ? ' (nobody answered in time)' : ''}`)
  }
}

const ABOUT = [
  'command',
  'file_path',
  'filePath',
  'path',
  'pattern',
  'query',
  'url',
  'description',
  'prompt',
] as const

/** What a tool was called about: the member that says it, else all of them. */
export function about(input: unknown): string {
  if (typeof input === 'string') return input
  if (typeof input !== 'object' || input === null) return JSON.stringify(input) ?? ''
  const members = new Map(Object.entries(input))
  for (const name of ABOUT) {
    const value: unknown = members.get(name)
    if (typeof value === 'string') return value
  }
  return JSON.stringify(input)
}

function approvalLine({
  action,
  actor,
  commit_hash: commit,
  error,
}: NonNullable<RunEvent['approval']>): string {
  if (error !== null) return `${action} by ${safe(actor)} failed: ${safe(error)}`
  return `${action === 'approve' ? 'approved' : 'rejected'} by ${safe(actor)}${commit === null ? '' : `, commit ${commit.slice(0, 12)}`}`
}
