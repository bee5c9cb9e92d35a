/** Reads of the log on behalf of somebody who waits: an outage of seconds is sat out, a long one is told. */

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5000
/** So long the log may stay unreadable before the reader is told to come back later. */
const GIVE_UP_MS = 60_000

/** Tries again with growing delays. @throws the last error, when it has waited too long or nobody waits any more */
export async function patiently<T>(read: () => Promise<T>, isGone: () => boolean): Promise<T> {
  let delay = FIRST_RETRY_MS
  for (let waited = 0; ; waited += delay) {
    try {
      return await read()
    } catch (error) {
      if (isGone() || waited >= GIVE_UP_MS) throw error
      await new Promise((resolve) => setTimeout(resolve, delay))
      delay = Math.min(delay * 2, LAST_RETRY_MS)
    }
  }
}
