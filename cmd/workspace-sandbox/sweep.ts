/** What sandboxes asked for in their lifecycle: stop when idle, delete after a time or at an end. */
import { processesInside } from './processes.ts'
import type { Row } from './row.ts'
import { type Deps, inTurn, markDeleted, stopSandbox } from './sandbox-service.ts'

const NS_PER_MS = 1_000_000
/** It only looks at rows in memory, so it can be prompt. */
const SWEEP_EVERY_MS = 2_000
/** A use is written down at most this often. */
const TOUCH_EVERY_MS = 500

/** Notes that somebody used a sandbox just now. */
export async function touch(deps: Deps, id: string): Promise<void> {
  const row = deps.rows.get(id)
  if (row === undefined || row.status === 'deleted') return
  if (Date.now() - Date.parse(row.lastUsedAt) < TOUCH_EVERY_MS) return
  await deps.rows.put({ ...row, lastUsedAt: new Date().toISOString() })
}

/** What a sandbox's lifecycle asks for now. @param now milliseconds since 1970 */
export function dueFor(row: Row, now: number): 'stop' | 'delete' | null {
  const { ttl = 0, idleTimeout = 0, deleteOn = [] } = row.behavior.lifecycle
  if (row.status === 'deleted' || row.status === 'creating') return null
  if (row.status === 'active') {
    return idleTimeout > 0 && now - Date.parse(row.lastUsedAt) >= idleTimeout / NS_PER_MS ? 'stop' : null
  }
  const ended = row.status === 'approved' || row.status === 'rejected' ? row.status : null
  if (ended !== null && (deleteOn.includes(ended) || deleteOn.includes('terminal'))) return 'delete'
  return ttl > 0 && now - Date.parse(row.createdAt) >= ttl / NS_PER_MS ? 'delete' : null
}

async function sweepOne(deps: Deps, row: Row): Promise<void> {
  const due = dueFor(row, Date.now())
  if (due === null) return
  if (due === 'stop') {
    // An agent at work makes no requests: as long as a process stands in the folder, it is used.
    if (row.mergedDir !== null && (await processesInside(row.mergedDir)).length > 0) {
      await touch(deps, row.id)
      return
    }
    const now = deps.rows.get(row.id)
    if (now !== undefined && dueFor(now, Date.now()) === 'stop') await stopSandbox(deps, row.id)
    return
  }
  await inTurn(deps, row.id, async () => {
    const now = deps.rows.get(row.id)
    if (now !== undefined && dueFor(now, Date.now()) === 'delete') await markDeleted(deps, now)
  })
}

async function sweep(deps: Deps): Promise<void> {
  for (const row of deps.rows.all()) {
    try {
      await sweepOne(deps, row)
    } catch (error) {
      deps.log.error({ sandbox_id: row.id, err: error }, 'sandbox could not be swept')
    }
  }
}

/** Sweeps now and from then on. @returns how to end it; settles when a sweep under way is done */
export function startSweeping(deps: Deps): () => Promise<void> {
  let timer: NodeJS.Timeout | null = null
  let stopped = false
  let running = Promise.resolve()
  const round = () => {
    running = sweep(deps).then(() => {
      if (!stopped) timer = setTimeout(round, SWEEP_EVERY_MS).unref()
    })
  }
  round()
  return () => {
    stopped = true
    if (timer !== null) clearTimeout(timer)
    return running
  }
}
