/** What /proc says about processes. On systems without it every list is empty and nothing is alive. */
import { readdirSync, readFileSync } from 'node:fs'

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessRef {
  readonly pid: number
  /** Clock ticks since boot at which it started. */
  readonly startTime: string
}

export interface ProcessRow extends ProcessRef {
  readonly parentPid: number
  /** Process group; it bears the number of the process that made it, and so does the session. */
  readonly groupId: number
  readonly sessionId: number
  /** One letter; Z is dead and not yet collected by its parent. */
  readonly state: string
}

/** One process; null when there is none of this number. */
export function readProcess(pid: number): ProcessRow | null {
  const stat = readProc(pid, 'stat')
  if (stat === null) return null
  // The second field is the name in parentheses and may hold anything, parentheses included.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, parentPid, groupId, sessionId] = fields
  const startTime = fields[19]
  if (state === undefined || startTime === undefined) return null
  return {
    pid,
    parentPid: Number(parentPid),
    groupId: Number(groupId),
    sessionId: Number(sessionId),
    state,
    startTime,
  }
}

/** All processes that are not dead. */
export function listProcesses(): ProcessRow[] {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return [] // not Linux
  }
  return names
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((row) => row !== null)
    .filter(isRunning)
}

const isRunning = (row: ProcessRow): boolean => row.state !== 'Z' && row.state !== 'X'

/** Whether this very process still runs. */
export function isAlive(ref: ProcessRef): boolean {
  const row = readProcess(ref.pid)
  return row !== null && row.startTime === ref.startTime && isRunning(row)
}

/** The processes below `rootPid`, the root itself left out. */
export function descendantsOf(rootPid: number, rows: readonly ProcessRow[]): ProcessRow[] {
  const children = Map.groupBy(rows, (row) => row.parentPid)
  const found: ProcessRow[] = []
  const open = [rootPid]
  for (let pid = open.pop(); pid !== undefined; pid = open.pop())
    for (const child of children.get(pid) ?? []) {
      found.push(child)
      open.push(child.pid)
    }
  return found
}

/** The value of a name in the environment that a process was started with; null: not there, or not ours to read. */
export function environmentOf(pid: number, name: string): string | null {
  const prefix = `${name}=`
  const entry = (readProc(pid, 'environ') ?? '').split('\0').find((each) => each.startsWith(prefix))
  return entry?.slice(prefix.length) ?? null
}

/** The user whose rights a process has, in our user namespace's numbers; null when it is gone. */
export function userOf(pid: number): number | null {
  const user = /^Uid:\s+\d+\s+(\d+)/m.exec(readProc(pid, 'status') ?? '')?.[1]
  return user === undefined ? null : Number(user)
}

/** Sends a signal to this very process; false when it is gone or not ours. */
export function signalProcess(ref: ProcessRef, signal: NodeJS.Signals): boolean {
  if (!isAlive(ref)) return false
  try {
    return process.kill(ref.pid, signal)
  } catch {
    return false // it ended between the look and the signal, or belongs to another user
  }
}

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return null // it ended, or it belongs to another user
  }
}
