/**
 * The sandbox service may restart under a run. What is asked of it here can be asked again (a create has a key, a diff
 * only reads), so a run waits for it instead of failing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, messageOf } from '../errors.ts'

/** While nobody answers at all. */
const AWAY_MS = 120_000
/** It answers, and fails: it may have been cut in the middle, or will always fail. */
const MAX_FAILURES = 4
const FIRST_PAUSE_MS = 200
const LAST_PAUSE_MS = 5_000

/**
 * @param waiting called once, before the first wait
 * @param signal ends the waiting
 * @throws the last error when patience ends
 */
export async function withPatience<T>(
  ask: () => Promise<T>,
  waiting: (why: string) => void,
  signal: AbortSignal,
): Promise<T> {
  const end = performance.now() + AWAY_MS
  let failures = 0
  let pause = FIRST_PAUSE_MS
  for (let round = 1; ; round += 1) {
    try {
      return await ask()
    } catch (error) {
      if (isFailure(error)) failures += 1
      const isWorthIt = isAway(error) || (isFailure(error) && failures < MAX_FAILURES)
      if (!isWorthIt || signal.aborted || performance.now() > end) throw error
      if (round === 1) waiting(messageOf(error))
    }
    await delay(pause, undefined, { signal }).catch(() => undefined) // then it is asked a last time
    pause = Math.min(pause * 2, LAST_PAUSE_MS)
  }
}

const isAway = (error: unknown): boolean => error instanceof AppError && error.code === 'SANDBOX_UNAVAILABLE'
const isFailure = (error: unknown): boolean => error instanceof AppError && error.code === 'SANDBOX_OPERATION'
