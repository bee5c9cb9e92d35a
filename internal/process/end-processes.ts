/** Ends a set of processes that may grow while it is being ended. */
import { setTimeout as delay } from 'node:timers/promises'
import { type ProcessRef, signalProcess } from './proc.ts'

/** Each look reads all of /proc, so looks become rarer. */
const FIRST_POLL_MS = 10
const MAX_POLL_MS = 100
/** How long after SIGKILL a process may take to go; the kernel needs longer only when it is stuck in I/O. */
const KILL_WAIT_MS = 5_000

/**
 * SIGTERM, and SIGKILL after `graceMs`, to everything that `collect` finds, until it finds nothing.
 * @param spare processes that get no SIGTERM (a wrapper that would take all others with it); SIGKILL spares none
 * @returns what is still there in the end; empty in all but hopeless cases
 */
export async function endProcesses(
  collect: () => readonly ProcessRef[],
  graceMs: number,
  spare: (ref: ProcessRef) => boolean = () => false,
): Promise<readonly ProcessRef[]> {
  const asked = new Set<string>()
  const askedToGo = await pollUntilGone(collect, graceMs, (ref) => {
    const key = `${ref.pid}:${ref.startTime}`
    if (spare(ref) || asked.has(key)) return
    asked.add(key)
    signalProcess(ref, 'SIGTERM')
  })
  if (askedToGo.length === 0) return askedToGo
  return pollUntilGone(collect, KILL_WAIT_MS, (ref) => signalProcess(ref, 'SIGKILL'))
}

async function pollUntilGone(
  collect: () => readonly ProcessRef[],
  ms: number,
  act: (ref: ProcessRef) => void,
): Promise<readonly ProcessRef[]> {
  const end = performance.now() + ms
  for (let pause = FIRST_POLL_MS; ; pause = Math.min(pause * 2, MAX_POLL_MS)) {
    const left = collect()
    if (left.length === 0 || performance.now() >= end) return left
    for (const ref of left) act(ref)
    await delay(pause)
  }
}
