/** What all launchers share: the checks before a start, the spawned process, and its end with all it started. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { isAbsolute, relative } from 'node:path'
import process from 'node:process'
import type { Readable, Writable } from 'node:stream'
import type { ExitStatus, LaunchedProcess, LaunchRequest } from '../../internal/launcher/port.ts'
import { endProcesses } from '../../internal/process/end-processes.ts'
import { findProgram } from '../../internal/process/find-program.ts'
import {
  descendantsOf,
  listProcesses,
  type ProcessRef,
  withEnvironment,
} from '../../internal/process/proc.ts'

/** The variable that marks every process of a run, so that none is lost that left its parents. */
const MARKER = 'AGENT_MANAGER_RUN'

export interface SupervisedCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly request: LaunchRequest
  /** The outermost process is our wrapper: a SIGTERM to it would end the program without grace. */
  readonly wrapped: boolean
  /** Where the outermost process starts; a wrapper changes to the request's folder itself. */
  readonly cwd: string
}

/**
 * The program's absolute path, after the request was found sound.
 * @throws Error when the program is missing, or a path is not absolute, or cwd is not writable
 */
export function checkRequest(request: LaunchRequest): string {
  for (const path of [request.cwd, ...request.writable, ...request.readable, ...request.hidden])
    if (!isAbsolute(path)) throw new Error(`${path} is not an absolute path`)
  if (!request.writable.some((folder) => isWithin(request.cwd, folder)))
    throw new Error(`the working directory ${request.cwd} lies in no writable folder`)
  const program = findProgram(request.argv[0], request.env['PATH'] ?? '')
  if (program === null) throw new Error(`the program ${request.argv[0]} cannot be found or run`)
  return program
}

export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || !(way === '..' || way.startsWith('../'))
}

/** Starts the command in a process group of its own. Rejects when it cannot be started. */
export async function startSupervised(command: SupervisedCommand): Promise<LaunchedProcess> {
  const child = spawn(command.file, [...command.args], {
    cwd: command.cwd,
    env: { ...command.request.env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // A pipe that breaks because the program is gone is told by `exited`; without a listener it would be fatal.
  child.stdin.on('error', () => undefined)
  const exited = exitOf(child)
  await once(child, 'spawn')
  const { pid } = child
  if (pid === undefined) throw new Error('the process has no number')
  return {
    pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    stop: (graceMs) => stop(pid, command, exited, graceMs),
  }
}

const exitOf = (child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<ExitStatus> =>
  new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: null, signal: null }))
  })

async function stop(
  pid: number,
  command: SupervisedCommand,
  exited: Promise<ExitStatus>,
  graceMs: number,
): Promise<ExitStatus> {
  if (process.platform !== 'linux') return stopGroup(pid, exited, graceMs)
  let gone = false
  void exited.then(() => {
    gone = true
  })
  const marker = command.request.env[MARKER]
  const collect = (): ProcessRef[] => {
    const rows = listProcesses().filter((row) => row.pid !== process.pid)
    const marked = marker === undefined ? [] : withEnvironment(MARKER, marker, rows)
    // Once the outermost process is gone its number means nothing: children that lost it are found by mark.
    const family = gone ? [] : [...rows.filter((row) => row.pid === pid), ...descendantsOf(pid, rows)]
    return [...new Map([...family, ...marked].map((row) => [row.pid, row])).values()]
  }
  const left = await endProcesses(collect, graceMs, (ref) => command.wrapped && ref.pid === pid)
  if (left.length > 0) throw new Error(`processes ${left.map((ref) => ref.pid).join(', ')} do not end`)
  return exited
}

/** Where /proc cannot tell the descendants, the process group is all there is to signal. */
async function stopGroup(pid: number, exited: Promise<ExitStatus>, graceMs: number): Promise<ExitStatus> {
  signalGroup(pid, 'SIGTERM')
  const killing = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs)
  const status = await exited
  clearTimeout(killing)
  signalGroup(pid, 'SIGKILL') // what the outermost process left behind
  return status
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // ESRCH: the whole group is gone, which is what was wanted
  }
}
