/** Finds and awaits the processes that a launcher test started, by their mark. */
import { setTimeout as delay } from 'node:timers/promises'
import { environmentOf, listProcesses, type ProcessRow } from '../../internal/process/proc.ts'

export const MARKER = 'AGENT_MANAGER_RUN'

export const marked = (value: string): ProcessRow[] =>
  listProcesses().filter((row) => environmentOf(row.pid, MARKER) === value)

/** Polls until the condition holds. @throws Error after `ms` */
export async function until(condition: () => boolean, ms: number, what: string): Promise<void> {
  const end = performance.now() + ms
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await delay(20)
  }
}
