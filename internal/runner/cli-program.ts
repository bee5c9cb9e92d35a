/** Finds the native program behind a configured command, and asks it for its version. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readSync, realpathSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { withDeadline } from '../process/deadline.ts'
import { findProgram } from '../process/find-program.ts'
import { keepTail } from '../process/tail.ts'

const PROBE_TIMEOUT_MS = 9_000

export interface CliProgram {
  /** Absolute path of what to run. */
  readonly file: string
  /** What must be readable for it to run. */
  readonly readable: readonly string[]
}

/**
 * Resolves a command to the program itself: npm installs a launcher script (or, since its install script ran, the
 * program) under the command's name; the program behind it starts faster and needs no Node.
 * @param options.command a name or an absolute path
 * @param options.path colon list of folders to search
 * @param options.programs where the program lies below a node_modules beside or above the script, best first
 * @returns null when there is no such command; the command itself when no program is found behind it
 */
export function findCli(options: {
  readonly command: string
  readonly path: string
  readonly programs: readonly string[]
}): CliProgram | null {
  const found = findProgram(options.command, options.path)
  if (found === null) return null
  const file = realpathSync(found)
  if (!isScript(file)) return { file, readable: [file] }
  const native = behindScript(file, options.programs)
  if (native !== null) return { file: native, readable: [native] }
  return { file: found, readable: [...new Set([dirname(found), dirname(dirname(file))])] }
}

/** npm puts the packages of the platform beside the package of the command, or below it. */
function behindScript(script: string, programs: readonly string[]): string | null {
  for (let folder = dirname(script); folder !== dirname(folder); folder = dirname(folder))
    for (const program of programs) {
      const file = findProgram(join(folder, 'node_modules', program), '')
      if (file !== null) return realpathSync(file)
    }
  return null
}

function isScript(file: string): boolean {
  const start = Buffer.alloc(2)
  try {
    const handle = openSync(file, 'r')
    try {
      readSync(handle, start, 0, 2, 0)
    } finally {
      closeSync(handle)
    }
  } catch {
    return false // it may be run but not read: no script could be
  }
  return start.toString('latin1') === '#!'
}

/**
 * What `--version` prints. Programs make folders in their home even for this, so it gets one to throw away.
 * @param path the PATH it gets
 * @throws Error when it cannot be started, fails, says nothing or takes longer than 9 s
 */
export async function askVersion(file: string, path: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'agent-manager-probe-'))
  try {
    const child = spawn(file, ['--version'], {
      env: { PATH: path, HOME: home },
      cwd: home,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = keepTail(child.stdout, 1_000)
    const complained = keepTail(child.stderr, 1_000)
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    try {
      const code = await withDeadline(ended, PROBE_TIMEOUT_MS, '--version')
      const version = (said() ?? '').trim()
      if (code !== 0 || version === '') throw new Error(`exit ${code}: ${(complained() ?? '').trim()}`)
      return version
    } finally {
      child.kill('SIGKILL')
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
