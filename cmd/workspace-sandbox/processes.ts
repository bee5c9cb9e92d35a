/** Ends the processes that work in a folder, found by their working directory (Linux only). */
import { readdir, readFile, readlink } from 'node:fs/promises'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { isErrno } from './failure.ts'

/** Long enough for the kernel to end what was killed, and for one that forks to be met again. */
const GIVE_UP_MS = 3_000
const LOOK_AGAIN_MS = 20

interface Found {
  readonly pid: number
  /** Start time in clock ticks: together with the pid it names one process for good. */
  readonly started: string
}

/** @param folder absolute real path */
export async function processesInside(folder: string): Promise<Found[]> {
  const found: Found[] = []
  for (const name of await readProc()) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid || pid === process.ppid) continue
    const started = (await worksIn(pid, folder)) ? await startOf(pid) : null
    if (started !== null) found.push({ pid, started })
  }
  return found
}

async function readProc(): Promise<string[]> {
  try {
    return await readdir('/proc')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [] // a system without it
    throw error
  }
}

async function worksIn(pid: number, folder: string): Promise<boolean> {
  try {
    const cwd = await readlink(`/proc/${pid}/cwd`)
    return cwd === folder || cwd.startsWith(`${folder}/`)
  } catch {
    return false // ended meanwhile, or another user's: not ours to end
  }
}

/** @returns null when the process has ended */
async function startOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    // The name in brackets may hold anything; field 22 counts from after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

/** Kills until nobody is left or time is up. @returns the pids that were killed */
export async function killInside(folder: string): Promise<number[]> {
  const killed = new Set<number>()
  const deadline = performance.now() + GIVE_UP_MS
  for (;;) {
    const found = await processesInside(folder)
    if (found.length === 0 || performance.now() >= deadline) return [...killed]
    for (const { pid, started } of found) {
      if ((await startOf(pid)) !== started) continue
      killed.add(pid)
      kill(pid)
    }
    await sleep(LOOK_AGAIN_MS)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!isErrno(error, 'ESRCH', 'EPERM')) throw error
  }
}
