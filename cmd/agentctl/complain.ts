/** An error as a person at a terminal wants it: one sentence, what to do, and never a stack. */
import { CommanderError } from 'commander'
import { ApiError, UnreachableError } from '../../api/client/index.ts'
import { messageOf } from '../../internal/errors.ts'
import { EXIT, Failed, Interrupted, UsageError } from './exit.ts'

interface Complaint {
  readonly exit: number
  readonly code: string
  readonly message: string
  /** null: the message says it all. */
  readonly hint: string | null
  /** The whole document of the service, where it sent one. */
  readonly problem?: object
}

/** Writes to stderr what went wrong. @returns the exit code */
export function complain(error: unknown, out: { json: boolean; write(text: string): unknown }): number {
  // commander has said it already, help included.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  const { exit, code, message, hint, problem } = complaintOf(error)
  if (message === '') return exit // it was told already
  if (out.json) out.write(`${JSON.stringify({ error: { code, message, hint, ...problem } })}\n`)
  else out.write(`agentctl: ${message}\n${hint === null ? '' : `  ${hint}\n`}`)
  return exit
}

export function complaintOf(error: unknown): Complaint {
  if (error instanceof UnreachableError) {
    const hint =
      'Start it with `npm start`, or say where it is with --url; `agentctl doctor` looks for the reason.'
    return { exit: EXIT.unreachable, code: 'UNREACHABLE', message: `${error.message}.`, hint }
  }
  if (error instanceof ApiError) {
    const hint = hintOf(error)
    return { exit: EXIT.failed, code: error.code, message: error.message, hint, problem: error.problem }
  }
  if (error instanceof UsageError)
    return { exit: EXIT.usage, code: 'USAGE', message: error.message, hint: null }
  if (error instanceof Interrupted) {
    return { exit: EXIT.interrupted, code: 'INTERRUPTED', message: error.message, hint: null }
  }
  const code = error instanceof Failed ? 'FAILED' : 'UNEXPECTED'
  return { exit: EXIT.failed, code, message: messageOf(error), hint: null }
}

const HINTS: Readonly<Record<string, string>> = {
  NOT_FOUND_RUN: 'See what there is: agentctl run list',
  NOT_FOUND_TASK: 'See what there is: agentctl task list',
  NOT_FOUND_PROFILE: 'See what there is: agentctl profile list',
  NOT_FOUND_ROUTE: 'This service is older than this agentctl.',
  NOT_IMPLEMENTED: 'This version of the service does not do that yet.',
  RUNNER_UNAVAILABLE: 'See what is wrong with it: agentctl runner list, agentctl doctor',
  STATE_DIFF_CHANGED: 'Look at the diff again: agentctl run diff <run>',
  POLICY_AGENT_CALLER: 'Ask a person: agents cannot decide about runs.',
}

/** What to do about it: for this code, else by the kind of recovery, else whom to tell. */
function hintOf(error: ApiError): string | null {
  const known = HINTS[error.code]
  if (known !== undefined) return known
  if (error.retryAfter !== null) return `Try again in ${Math.ceil(error.retryAfter)} s.`
  if (error.retryable) return 'Try again in a moment.'
  if (error.status >= 500) return `Look into the log of the service for request ${error.requestId ?? '?'}.`
  return null
}
