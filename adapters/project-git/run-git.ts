/** One git process: argv only, an environment built from nothing, a deadline, bounded output. */
import { type ChildProcess, spawn } from 'node:child_process'
import { AppError } from '../../internal/errors.ts'

const AGENT_MANAGER_NAME = 'agent-manager'
const AGENT_MANAGER_MAIL = 'noreply@agent-manager.local'

/** Between SIGTERM, on which git removes its lock files, and SIGKILL. */
const GRACE_MS = 2_000
const MAX_STDOUT_BYTES = 32 * 1024 * 1024
const MAX_STDERR_BYTES = 64 * 1024
const MAX_REASON_CHARS = 500

/** Stands above the repository's own configuration, which otherwise holds: it has the filters. */
const CONFIG: readonly (readonly [string, string])[] = [
  // The caller names the project; that it belongs to somebody else is no reason to refuse it.
  ['safe.directory', '*'],
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  // A warning about line ends would else be an error where the project says core.safecrlf=true.
  ['core.safecrlf', 'false'],
  ['commit.gpgSign', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['i18n.commitEncoding', 'UTF-8'],
]

export interface GitSetup {
  /** PATH, to find git and the filters of the repository. */
  readonly path: string
  readonly home: string
  readonly cwd: string
  /** For each git process. */
  readonly deadlineMs: number
  /** Whom git runs as; null: as ourselves. */
  readonly owner: { readonly uid: number; readonly gid: number } | null
}

interface GitOptions {
  readonly input?: string
  /** A temporary index in the place of the repository's own. */
  readonly index?: string
  readonly env?: Readonly<Record<string, string>>
  /** Exit codes that are an answer; default only 0. */
  readonly codes?: readonly number[]
}

export interface GitResult {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

export type Git = (args: readonly string[], options?: GitOptions) => Promise<GitResult>

/** Git bound to one place. It rejects with an AppError when git ends with a code that was not asked for. */
export function gitIn(setup: GitSetup): Git {
  return async (args, options = {}) => {
    const result = await run(setup, args, options)
    if (!(options.codes ?? [0]).includes(result.code)) throw gitFailure(args, result)
    return result
  }
}

/** What git said, short enough for a message. */
export function reasonOf(stderr: string): string {
  return stderr.trim().slice(0, MAX_REASON_CHARS)
}

/** A failure of git in the project: its reader can mend it there. */
export function gitFailure(args: readonly string[], { code, stderr }: GitResult): AppError {
  return new AppError(
    'STATE_PROJECT_DIRTY',
    `git ${args[0] ?? ''} ended with code ${code} in the project: ${reasonOf(stderr) || 'it said nothing'}`,
  )
}

function environment(setup: GitSetup, options: GitOptions): Record<string, string> {
  // A split index would leave its shared half in the repository when the temporary one is gone.
  const config = options.index === undefined ? CONFIG : [...CONFIG, ['core.splitIndex', 'false']]
  return {
    PATH: setup.path,
    HOME: setup.home,
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_COUNT: String(config.length),
    ...Object.fromEntries(config.map(([key], at) => [`GIT_CONFIG_KEY_${at}`, key])),
    ...Object.fromEntries(config.map(([, value], at) => [`GIT_CONFIG_VALUE_${at}`, value])),
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_LITERAL_PATHSPECS: '1',
    // A partial clone must not go to the network for a blob while a person waits for the commit.
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOW_PROTOCOL: '',
    GIT_EDITOR: 'true',
    GIT_COMMITTER_NAME: AGENT_MANAGER_NAME,
    GIT_COMMITTER_EMAIL: AGENT_MANAGER_MAIL,
    ...(options.index === undefined ? {} : { GIT_INDEX_FILE: options.index }),
    ...options.env,
  }
}

async function run(setup: GitSetup, args: readonly string[], options: GitOptions): Promise<GitResult> {
  const child = spawn('git', args, {
    cwd: setup.cwd,
    env: environment(setup, options),
    // A group of its own, so that a filter that hangs ends with git.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...setup.owner,
  })
  const stdout: Buffer[] = []
  let stdoutBytes = 0
  let stderr = ''
  let broken: string | null = null
  const stop = (reason: string): void => {
    if (broken !== null) return
    broken = reason
    signalGroup(child, 'SIGTERM')
    killTimer = setTimeout(() => {
      signalGroup(child, 'SIGKILL')
      // Who has left the group may still hold the other ends: do not wait for them.
      child.stdout.destroy()
      child.stderr.destroy()
    }, GRACE_MS)
  }
  let killTimer: NodeJS.Timeout | undefined
  const deadline = setTimeout(() => stop(`took longer than ${setup.deadlineMs} ms`), setup.deadlineMs)

  child.stdout.on('data', (chunk: Buffer) => {
    stdoutBytes += chunk.length
    if (stdoutBytes <= MAX_STDOUT_BYTES) stdout.push(chunk)
    else stop(`wrote more than ${MAX_STDOUT_BYTES / 1024 / 1024} MiB`)
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    if (stderr.length < MAX_STDERR_BYTES) stderr += chunk
  })
  // Git may end without reading its input to the end (EPIPE); its exit code says whether that was right.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')

  try {
    const code = await ended(child)
    if (broken !== null || code === null) {
      const what = broken ?? `was ended by ${child.signalCode ?? 'a signal'}`
      throw new AppError('STATE_PROJECT_DIRTY', `git ${args[0] ?? ''} ${what} in the project`)
    }
    return { code, stdout: Buffer.concat(stdout), stderr }
  } finally {
    clearTimeout(deadline)
    clearTimeout(killTimer)
    // Git may be gone while a filter that ignores SIGTERM is not.
    if (broken !== null) signalGroup(child, 'SIGKILL')
  }
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new AppError('INTERNAL', `git could not be started: ${cause.message}`, { cause })),
    )
    child.once('close', (code) => resolve(code))
  })
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // The group has ended by itself meanwhile: what was wanted.
  }
}
