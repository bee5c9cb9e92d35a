/**
 * Runs git with an environment built from nothing: no configuration of the user or the machine, no hooks, no
 * prompts, no pagers, no optional locks. What a folder's own config could start (fsmonitor, hooks) is overruled.
 */
import { spawn } from 'node:child_process'

interface GitCall {
  readonly cwd: string
  readonly args: readonly string[]
  /** Added to the fixed environment, for example GIT_DIR. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: Buffer | string
  /** Exit codes that are answers and not failures; default [0]. */
  readonly okCodes?: readonly number[]
}

interface GitResult {
  readonly code: number
  readonly stdout: Buffer
}

export type Git = (call: GitCall) => Promise<GitResult>

/** 128 MiB: a larger diff cannot be reviewed or sent anyway. */
const MAX_STDOUT_BYTES = 128 * 1024 * 1024
const MAX_STDERR_BYTES = 16 * 1024
const TIMEOUT_MS = 120_000

const OVERRULED: readonly (readonly [string, string])[] = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.untrackedCache', 'false'],
  ['core.quotePath', 'false'],
  ['core.pager', 'cat'],
  ['core.autocrlf', 'false'],
  ['core.symlinks', 'true'],
  ['core.fileMode', 'true'],
  ['core.ignoreCase', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['safe.directory', '*'],
  ['advice.addEmbeddedRepo', 'false'],
]

/** @param path value of PATH for git itself */
export function createGit(path: string): Git {
  const fixed = fixedEnvironment(path)
  return (call) => runGit(fixed, call)
}

function fixedEnvironment(path: string): Record<string, string> {
  const env: Record<string, string> = {
    PATH: path,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_AUTHOR_NAME: 'workspace-sandbox',
    GIT_AUTHOR_EMAIL: 'noreply@workspace-sandbox.local',
    GIT_COMMITTER_NAME: 'workspace-sandbox',
    GIT_COMMITTER_EMAIL: 'noreply@workspace-sandbox.local',
    GIT_CONFIG_COUNT: String(OVERRULED.length),
  }
  OVERRULED.forEach(([key, value], index) => {
    env[`GIT_CONFIG_KEY_${index}`] = key
    env[`GIT_CONFIG_VALUE_${index}`] = value
  })
  return env
}

/** @throws Error naming the subcommand and the end of git's own message */
function runGit(fixed: Readonly<Record<string, string>>, call: GitCall): Promise<GitResult> {
  return new Promise((resolve, reject) => {
    const name = call.args.find((arg) => !arg.startsWith('-')) ?? ''
    const child = spawn('git', call.args, {
      cwd: call.cwd,
      env: { ...fixed, ...call.env },
      stdio: 'pipe',
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    const stdout: Buffer[] = []
    let stdoutBytes = 0
    let stderr = ''
    let refusal: Error | null = null
    child.stdout.on('data', (chunk: Buffer) => {
      stdoutBytes += chunk.length
      if (stdoutBytes <= MAX_STDOUT_BYTES) stdout.push(chunk)
      else {
        refusal ??= new Error(`git ${name} printed more than ${MAX_STDOUT_BYTES} bytes`)
        child.kill('SIGKILL')
      }
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(-MAX_STDERR_BYTES)
    })
    child.on('error', (error) => reject(new Error(`git ${name} could not be started: ${error.message}`)))
    // Git may exit without reading all of its input; its exit code tells the story.
    child.stdin.on('error', () => {})
    child.stdin.end(call.input ?? '')
    child.on('close', (code, signal) => {
      if (refusal !== null) return reject(refusal)
      if (code === null) return reject(new Error(`git ${name} was ended by ${signal ?? 'a signal'}`))
      if (!(call.okCodes ?? [0]).includes(code)) {
        return reject(new Error(`git ${name} failed (${code}): ${stderr.trim() || 'no message'}`))
      }
      resolve({ code, stdout: Buffer.concat(stdout) })
    })
  })
}

/** NUL-separated output as strings of bytes (latin1), so that names in any encoding survive. */
export const splitNul = (output: Buffer): string[] =>
  output.length === 0 ? [] : output.toString('latin1').replace(/\0$/, '').split('\0')

/** The reverse of {@link splitNul}, for `-z --stdin`. */
export const joinNul = (names: readonly string[]): Buffer =>
  Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1')

export const firstLine = (output: Buffer): string => output.toString('utf8').split('\n', 1)[0] ?? ''
