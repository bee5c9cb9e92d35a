/** Ends a set of processes that may grow while it is being ended. */
import { setTimeout as delay } from 'node:timers/promises'
import { type ProcessRef, signalProcess } from './proc.ts'

/** Each look reads all of /proc, so looks become rarer. */
const FIRST_POLL_MS = 10
const MAX_POLL_MS = 100
/** How long after SIGKILL a process may take to go; the kernel needs longer only when it is stuck in I/O. */
const KILL_WAIT_MS = 5_000
/** A set that still grows after so many looks is killed as it is, and again with the next look. */
const MAX_FREEZES = 20

/**
 * SIGTERM, and SIGKILL after `graceMs`, to everything that `collect` finds, until it finds nothing. All are
 * stopped before the first is killed: who dies tells nobody whose parent it was.
 * @param spare processes that get no SIGTERM (a wrapper that would take all others with it); SIGKILL spares none
 * @returns what is still there in the end; empty in all but hopeless cases
 */
export async function endProcesses(
  collect: () => readonly ProcessRef[],
  graceMs: number,
  spare: (ref: ProcessRef) => boolean = () => false,
): Promise<readonly ProcessRef[]> {
  const isAsked = onceEach()
  const askedToGo = await pollUntilGone(collect, graceMs, (refs) => {
    for (const ref of refs) if (!spare(ref) && !isAsked(ref)) signalProcess(ref, 'SIGTERM')
  })
  if (askedToGo.length === 0) return askedToGo
  return pollUntilGone(collect, KILL_WAIT_MS, () => {
    for (const ref of freeze(collect)) signalProcess(ref, 'SIGKILL')
  })
}

/** Stops all there are until a look finds no new one; from then on none of them can start another. */
function freeze(collect: () => readonly ProcessRef[]): readonly ProcessRef[] {
  const isStopped = onceEach()
  for (let looks = 1; ; looks += 1) {
    const found = collect()
    const fresh = found.filter((ref) => !isStopped(ref))
    if (fresh.length === 0 || looks === MAX_FREEZES) return found
    for (const ref of fresh) signalProcess(ref, 'SIGSTOP')
  }
}

/** Whether this very process was asked about before. */
function onceEach(): (ref: ProcessRef) => boolean {
  const known = new Set<string>()
  return ({ pid, startTime }) => {
    const key = `${pid}:${startTime}`
    const before = known.has(key)
    known.add(key)
    return before
  }
}

async function pollUntilGone(
  collect: () => readonly ProcessRef[],
  ms: number,
  act: (refs: readonly ProcessRef[]) => void,
): Promise<readonly ProcessRef[]> {
  const end = performance.now() + ms
  for (let pause = FIRST_POLL_MS; ; pause = Math.min(pause * 2, MAX_POLL_MS)) {
    const left = collect()
    if (left.length === 0 || performance.now() >= end) return left
    act(left)
    await delay(pause)
  }
}
