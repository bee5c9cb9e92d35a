/** What the system says about a pid that may not be our child. All that depends on /proc is in this file. */
import { readFileSync } from 'node:fs'
import process from 'node:process'

/** A pid together with the moment its process began, so that a reused pid is not mistaken for it. */
export interface ProcessMark {
  readonly pid: number
  /** Clock ticks since boot; undefined where there is no /proc, and then the pid alone must do. */
  readonly startedAt: string | undefined
}

const HAS_PROC = process.platform === 'linux'

/** @returns undefined when no such process lives; a zombie does not live */
export function markOf(pid: number): ProcessMark | undefined {
  if (!HAS_PROC) return answersSignals(pid) ? { pid, startedAt: undefined } : undefined
  const stat = readProc(pid, 'stat')
  // The name in brackets may itself hold spaces and brackets: count from behind its end.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields?.[0]
  if (fields === undefined || state === 'Z' || state === 'X') return undefined
  return { pid, startedAt: fields[19] }
}

export function isAlive(mark: ProcessMark): boolean {
  const now = markOf(mark.pid)
  return now !== undefined && now.startedAt === mark.startedAt
}

/** @returns the argument vector, or undefined where the system does not tell */
export function argumentsOf(pid: number): readonly string[] | undefined {
  return HAS_PROC ? readProc(pid, 'cmdline')?.split('\0') : undefined
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined // the process is gone, or hidden from us: to us that is the same
  }
}

/** Also true of a zombie, which is what makes other programs take it for alive. */
export function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
