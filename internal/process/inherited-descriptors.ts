/**
 * Open files that whoever started our process left open for its children. Node marks as not to be inherited what it
 * opens, and what it finds at its start up to the first gap beyond 15 (libuv, uv_disable_stdio_inheritance). A folder
 * among the rest would lead an agent out of every container.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** Bit of `flags` in /proc/<pid>/fdinfo, proc_pid_fdinfo(5): closed when another program is executed. */
const CLOSE_ON_EXEC = 0o2000000

let known: readonly number[] | null = null

/** Numbers above 2 that a child would inherit from us. Looked up once: later ones are Node's. Empty without /proc. */
export function inheritedDescriptors(): readonly number[] {
  known ??= descriptors().filter((number) => number > 2 && isInherited(number))
  return known
}

function descriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd').map(Number)
  } catch {
    return [] // not Linux
  }
}

function isInherited(number: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${number}`, 'utf8'))?.[1]
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0
  } catch {
    return false // closed meanwhile: the one that read the folder, for example
  }
}
