/** Collects sandboxes nobody works in any more. Runs only when it is asked to. */
import type { GcBody } from './request-body.ts'
import type { Row } from './row.ts'
import { type Deps, inTurn, markDeleted } from './sandbox-service.ts'
import type { Json } from './wire.ts'

export type GcPolicy = NonNullable<GcBody['policy']>

interface Selected {
  readonly row: Row
  readonly reason: string
}

const NS_PER_MS = 1_000_000
const NS_PER_HOUR = 3_600_000 * NS_PER_MS
const DEFAULT_POLICY: GcPolicy = {
  maxAge: 24 * NS_PER_HOUR,
  idleTimeout: 4 * NS_PER_HOUR,
  includeTerminal: true,
  terminalDelay: NS_PER_HOUR,
  statuses: [],
}
/** Whatever a policy asks for: nobody's work space goes away under them. */
const COLLECTABLE = ['stopped', 'error', 'approved', 'rejected']

/**
 * What a policy takes, oldest first. Its criteria are OR-ed; without one it takes nothing. A limit of 0 is none.
 * @param now milliseconds since 1970
 */
export function selectForGc(rows: readonly Row[], policy: GcPolicy, now: number): Selected[] {
  const wanted = (row: Row) => policy.statuses.length === 0 || policy.statuses.includes(row.status)
  const candidates = rows
    .filter((row) => COLLECTABLE.includes(row.status) && wanted(row))
    .toSorted((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt))
  const kept = rows.filter((row) => row.status !== 'deleted')
  let total = kept.reduce((sum, row) => sum + row.sizeBytes, 0)
  return candidates.flatMap((row) => {
    const reason = reasonFor(row, policy, now) ?? (isOver(total, policy) ? 'total size' : null)
    if (reason === null) return []
    total -= row.sizeBytes
    return [{ row, reason }]
  })
}

const isOver = (total: number, policy: GcPolicy): boolean =>
  (policy.maxTotalSizeBytes ?? 0) > 0 && total > (policy.maxTotalSizeBytes ?? 0)

function reasonFor(row: Row, policy: GcPolicy, now: number): string | null {
  const isPast = (since: string, nanoseconds: number) => now - Date.parse(since) >= nanoseconds / NS_PER_MS
  if ((policy.maxAge ?? 0) > 0 && isPast(row.createdAt, policy.maxAge ?? 0)) return 'age'
  if ((policy.idleTimeout ?? 0) > 0 && isPast(row.lastUsedAt, policy.idleTimeout ?? 0)) return 'idle'
  const ended = row.status === 'approved' || row.status === 'rejected'
  if (policy.includeTerminal && ended && isPast(row.updatedAt, policy.terminalDelay)) return 'terminal'
  return null
}

/** @param dryRun tells only what would go */
export async function collectGarbage(deps: Deps, body: GcBody, dryRun: boolean): Promise<Json> {
  const startedAt = new Date().toISOString()
  const selected = selectForGc(deps.rows.all(), body.policy ?? DEFAULT_POLICY, Date.now())
  const some = body.limit > 0 ? selected.slice(0, body.limit) : selected
  const collected: Json[] = []
  const errors: Json[] = []
  let bytes = 0
  for (const each of some) {
    const error = dryRun ? null : await collect(deps, each.row)
    if (error !== null) {
      errors.push({ sandboxId: each.row.id, error })
      continue
    }
    bytes += each.row.sizeBytes
    const { id, scopePath, status, sizeBytes, createdAt } = each.row
    collected.push({ id, scopePath, status, sizeBytes, createdAt, reason: each.reason })
  }
  return {
    collected,
    totalCollected: collected.length,
    totalBytesReclaimed: bytes,
    ...(errors.length > 0 ? { errors } : {}),
    dryRun,
    startedAt,
    completedAt: new Date().toISOString(),
  }
}

/** @returns why it was not collected, or null */
function collect(deps: Deps, seen: Row): Promise<string | null> {
  return inTurn(deps, seen.id, async () => {
    const row = deps.rows.get(seen.id)
    if (row?.status !== seen.status) return `it is ${row?.status ?? 'gone'} by now`
    try {
      await markDeleted(deps, row)
      return null
    } catch (error) {
      deps.log.error({ sandbox_id: row.id, err: error }, 'sandbox could not be collected')
      return error instanceof Error ? error.message : String(error)
    }
  })
}
