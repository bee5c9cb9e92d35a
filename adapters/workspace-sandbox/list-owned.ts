/** The sandboxes that bear our name, page by page. */
import type { OwnedSandbox } from '../../internal/sandbox/port.ts'
import { listAnswer, listedSandbox } from './answers.ts'
import type { Calls } from './calls.ts'

const PAGE = 100
const MAX_PAGES = 100
/**
 * Deleted rows are never removed there and would fill the pages; one in the making makes the real service
 * answer the whole list with 500.
 */
const STATUSES = ['active', 'stopped', 'approved', 'rejected', 'error']

/** At most 10 000, newest first. @throws AppError when a page cannot be read */
export async function listOwned(calls: Calls, owner: string): Promise<readonly OwnedSandbox[]> {
  const found = new Map<string, OwnedSandbox>()
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const rows = await readPage(calls, owner, page * PAGE)
    for (const row of rows) {
      const one = listedSandbox.safeParse(row)
      // A service that does not know the filter must not make others' sandboxes ours.
      if (!one.success || one.data.owner !== owner) continue
      const { id, status, idempotencyKey, createdAt } = one.data
      found.set(id, { id, key: idempotencyKey ?? null, createdAt: new Date(createdAt), state: status })
    }
    if (rows.length < PAGE) break
  }
  return [...found.values()]
}

async function readPage(calls: Calls, owner: string, offset: number): Promise<readonly unknown[]> {
  const query = new URLSearchParams({ owner, limit: String(PAGE), offset: String(offset) })
  for (const status of STATUSES) query.append('status', status)
  const path = `api/v1/sandboxes?${query.toString()}`
  const exchange = { method: 'GET', path, timeoutMs: calls.limits.longMs } as const
  return (await calls.json(exchange, 200, listAnswer)).sandboxes ?? []
}
