/** Runs one program of Postgres to its end. */
import { execFile } from 'node:child_process'
import { messageOf } from '../../internal/errors.ts'

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  /** Only root can give these. */
  readonly uid?: number
  readonly gid?: number
}

export type ToolResult =
  | { readonly ok: true; readonly output: string }
  /** `why`: a few words for a message. */
  | { readonly ok: false; readonly why: string }

export type ToolEnvironment = Readonly<Record<string, string>>

const OUTPUT_LIMIT_BYTES = 256 * 1024
const REASON_LINES = 3
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Built from nothing: the service's own environment may hold secrets, and PG* names that Postgres obeys. */
export function toolEnvironment(path = DEFAULT_PATH): ToolEnvironment {
  return { PATH: path, LANG: 'C.UTF-8', TZ: 'UTC' }
}

/** Never throws: a program that is missing, fails, hangs or floods is an answer. */
export function runTool(command: Command, env: ToolEnvironment, deadlineMs: number): Promise<ToolResult> {
  const { file, args, ...user } = command
  const options = {
    ...user,
    env: { ...env },
    cwd: '/',
    timeout: deadlineMs,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_LIMIT_BYTES,
  } as const
  return new Promise((resolve) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ ok: true, output: stdout })
      else resolve({ ok: false, why: lastLinesOf(stderr) ?? messageOf(error) })
    })
  })
}

const lastLinesOf = (text: string): string | undefined =>
  text.trim().split('\n').slice(-REASON_LINES).join(' | ') || undefined
