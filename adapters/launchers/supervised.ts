/** What all launchers share: the checks before a start, the spawned process, and its end with all it started. */
import { type ChildProcess, type IOType, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { isAbsolute, relative } from 'node:path'
import process from 'node:process'
import { Writable } from 'node:stream'
import type { ExitStatus, LaunchedProcess, LaunchRequest } from '../../internal/launcher/port.ts'
import { endProcesses } from '../../internal/process/end-processes.ts'
import { createFamily, type Family } from '../../internal/process/family.ts'
import { findProgram } from '../../internal/process/find-program.ts'
import { inheritedDescriptors } from '../../internal/process/inherited-descriptors.ts'
import { endFirstWithoutMemory } from '../../internal/process/memory-pressure.ts'
import { environmentOf, readProcess } from '../../internal/process/proc.ts'

/** The variable that marks every process of a run, so that none is lost that left its parents. */
const MARKER = 'AGENT_MANAGER_RUN'

/** The descriptor at which a wrapper reads what `handover` holds. */
export const HANDOVER_DESCRIPTOR = 3

/** A program that forks faster than this finds everybody is not worth a longer stay. */
const MAX_LOOKS = 10

export interface SupervisedCommand {
  readonly file: string
  readonly args: readonly string[]
  readonly request: LaunchRequest
  /** The outermost process is our wrapper: a SIGTERM to it would end the program without grace. */
  readonly wrapped: boolean
  /** Where the outermost process starts; a wrapper changes to the request's folder itself. */
  readonly cwd: string
  /** Bytes for the wrapper at HANDOVER_DESCRIPTOR, which it reads to their end; null: none. */
  readonly handover: Uint8Array | null
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

/** Starts the command in a session of its own. Rejects when it cannot be started. */
export async function startSupervised(command: SupervisedCommand): Promise<LaunchedProcess> {
  const child = spawnCommand(command)
  if (child.pid !== undefined) endFirstWithoutMemory(child.pid)
  const exited = exitOf(child)
  const family = child.pid === undefined ? null : familyOf(child.pid, command, exited)
  // A pipe that breaks because the program is gone is told by `exited`; without a listener it would be fatal.
  child.stdin?.on('error', () => undefined)
  const handover = child.stdio[HANDOVER_DESCRIPTOR]
  if (handover instanceof Writable) handover.on('error', () => undefined).end(command.handover)
  await once(child, 'spawn')
  const { pid, stdin, stdout, stderr } = child
  if (pid === undefined || family === null || stdin === null || stdout === null || stderr === null)
    throw new Error('the process has no number or no pipes')
  // Nobody waits for it: looking through all processes of the machine takes a while.
  setImmediate(() => endAllFirstWithoutMemory(family))
  return {
    pid,
    stdin,
    stdout,
    stderr,
    exited,
    stop: (graceMs) => stop(pid, command, family, exited, graceMs),
  }
}

/**
 * Those that it started before it was marked; later ones inherit. One that was not marked yet may have started
 * another since the look: a look that finds everybody marked is the last.
 */
function endAllFirstWithoutMemory(family: Family): void {
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const changed = family.find().filter((row) => endFirstWithoutMemory(row.pid))
    if (changed.length === 0) return
  }
}

/** Three pipes, the handover, and nothing at every number at which the child would inherit a file of our parent. */
function spawnCommand(command: SupervisedCommand): ChildProcess {
  const inherited = inheritedDescriptors()
  const nowhere = inherited.length === 0 ? null : openSync('/dev/null', 'r+')
  const length = Math.max(HANDOVER_DESCRIPTOR, ...inherited) + 1
  try {
    return spawn(command.file, [...command.args], {
      cwd: command.cwd,
      env: { ...command.request.env },
      detached: true,
      stdio: Array.from({ length }, (_, number): IOType | number => {
        if (number < HANDOVER_DESCRIPTOR) return 'pipe'
        if (number === HANDOVER_DESCRIPTOR && command.handover !== null) return 'pipe'
        // Above 2, `ignore` leaves a number as it is.
        return nowhere !== null && inherited.includes(number) ? nowhere : 'ignore'
      }),
    })
  } finally {
    if (nowhere !== null) closeSync(nowhere)
  }
}

const exitOf = (child: ChildProcess): Promise<ExitStatus> =>
  new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: null, signal: null }))
  })

/**
 * The outermost process, what carries its mark, and what can be traced to them. Its number names the session it
 * started in until it is collected; who is left in that session is looked up at that moment, for later the number
 * may be somebody else's.
 */
function familyOf(pid: number, command: SupervisedCommand, exited: Promise<ExitStatus>): Family {
  const startTime = readProcess(pid)?.startTime
  const marker = command.request.env[MARKER]
  let isCollected = false
  const family = createFamily(
    (row) =>
      (row.pid === pid && row.startTime === startTime) ||
      (row.sessionId === pid && !isCollected) ||
      (marker !== undefined && environmentOf(row.pid, MARKER) === marker),
  )
  void exited.then(() => {
    // Behind a wrapper the kernel ended everything with it.
    if (!command.wrapped) family.find()
    isCollected = true
  })
  return family
}

async function stop(
  pid: number,
  command: SupervisedCommand,
  family: Family,
  exited: Promise<ExitStatus>,
  graceMs: number,
): Promise<ExitStatus> {
  if (process.platform !== 'linux') return stopGroup(pid, exited, graceMs)
  const left = await endProcesses(family.find, graceMs, (row) => command.wrapped && row.pid === pid)
  if (left.length > 0) throw new Error(`processes ${left.map((row) => row.pid).join(', ')} do not end`)
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
