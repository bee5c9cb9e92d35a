/** postmaster.pid: what Postgres left in the cluster about who runs it. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { PORT } from './layout.ts'
import { answersSignals, argumentsOf, markOf, type ProcessMark } from './process-table.ts'

export type Occupant =
  | { readonly kind: 'none' }
  /** `certain`: its command line says so. Without /proc only an answer on the socket can tell. */
  | { readonly kind: 'postmaster'; readonly mark: ProcessMark; readonly certain: boolean }
  /** The postmaster is dead, but its pid is an unreaped zombie's or an unrelated process's now. */
  | { readonly kind: 'stranger' }

export function occupantOf(data: string): Occupant {
  const pid = readPid(join(data, 'postmaster.pid'))
  if (pid === undefined) return { kind: 'none' }
  const mark = markOf(pid)
  if (mark === undefined) return { kind: answersSignals(pid) ? 'stranger' : 'none' }
  const args = argumentsOf(mark.pid)
  if (args === undefined) return { kind: 'postmaster', mark, certain: false }
  return isPostmasterOf(args, data) ? { kind: 'postmaster', mark, certain: true } : { kind: 'stranger' }
}

/**
 * After a reboot, or in a container where pids are few and nobody reaps, something else answers to the pid of
 * a dead postmaster, and Postgres would refuse to start. Call it with the lock held and no postmaster alive. Children that outlived
 * theirs are still noticed by Postgres, from the shared memory that is named after the folder.
 */
export function removeStaleFiles(data: string, sockets: string): void {
  if (occupantOf(data).kind === 'stranger') rmSync(join(data, 'postmaster.pid'), { force: true })
  rmSync(join(sockets, `.s.PGSQL.${PORT}.lock`), { force: true })
  rmSync(join(sockets, `.s.PGSQL.${PORT}`), { force: true })
}

/** Exactly what postmaster.ts starts it with. */
function isPostmasterOf(args: readonly string[], data: string): boolean {
  const [program, flag, folder] = args
  return program?.endsWith('/postgres') === true && flag === '-D' && folder === data
}

/** A half-written file or a single-user backend (a negative number) gives undefined. */
function readPid(file: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10)
    return pid > 1 ? pid : undefined
  } catch (error) {
    // Looking first would not do: a postmaster that is ending removes it in between.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
