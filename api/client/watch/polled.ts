/** A run by long poll, where there is no WebSocket: pages of the log, each waiting a while for the next event. */
import { LONG_POLL_S, REQUEST_TIMEOUT_MS, WATCH_PAGE } from '../limits.ts'
import { path } from '../path.ts'
import { isPassing } from '../retry.ts'
import type { Transport } from '../transport.ts'
import type { Run, RunEventPage } from '../types.ts'
import type { RunAttached, Source, Wish } from './arrival.ts'

/** @param forMs so long; then the caller may try a WebSocket again */
export async function* polled(
  transport: Transport,
  from: { readonly runId: string; readonly after: number },
  { signal }: Wish,
  forMs: number,
): Source<RunAttached> {
  const end = performance.now() + forMs
  const runPath = path`/api/v1/runs/${from.runId}`
  let worked = false
  try {
    // Asked before the log is read: a status that is older than what is read next can do no harm.
    const { run } = await transport.json<{ run: Run }>({ method: 'GET', path: runPath, signal })
    let status: string | null = run.status
    let after = from.after
    let waitS = 0
    while (performance.now() < end) {
      const page = await transport.json<RunEventPage>({
        method: 'GET',
        path: `${runPath}/events`,
        query: { after_sequence: after, limit: WATCH_PAGE, ...(waitS > 0 && { wait: waitS }) },
        timeoutMs: waitS * 1000 + REQUEST_TIMEOUT_MS,
        signal,
      })
      worked = true
      const last = page.events.at(-1)?.sequence ?? after
      yield { kind: 'attached', attached: { through: page.has_more ? last + 1 : last, status } }
      for (const event of page.events) yield { kind: 'event', event }
      after = page.next_after_sequence
      if (!page.has_more) {
        status = null
        waitS = LONG_POLL_S
      }
    }
  } catch (error) {
    if (!isPassing(error)) throw error
    return { worked, error: null }
  }
  return { worked, error: null }
}
