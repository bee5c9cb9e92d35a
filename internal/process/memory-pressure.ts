/** Who goes first when the machine runs out of memory. */
import { readFileSync, writeFileSync } from 'node:fs'

/** As if it held half of the machine's memory more than it does (proc_pid_oom_score_adj(5)); children inherit it. */
const ADJUSTMENT = 500

/**
 * Makes the kernel end this process before others. It can be raised by anybody and lowered by nobody without
 * privilege. Nothing happens on systems that do not have it.
 * @returns whether it was changed
 */
export function endFirstWithoutMemory(pid: number): boolean {
  const file = `/proc/${pid}/oom_score_adj`
  try {
    if (Number(readFileSync(file, 'utf8')) >= ADJUSTMENT) return false
    writeFileSync(file, String(ADJUSTMENT))
    return true
  } catch {
    // it ended, runs with rights we do not have, or this is not Linux: it is no worse off than others
    return false
  }
}
