/** What a status event says, read from its text. */
import { RUN_STATUSES, type RunStatus } from '../run/run.ts'
import type { StoredEvent } from './event.ts'

/** The status that a run has after this event; null for events of another kind. */
export function newStatus(event: Pick<StoredEvent, 'name' | 'payloadText'>): RunStatus | null {
  if (event.name !== 'status') return null
  const payload: { status?: { new_status?: unknown } } = JSON.parse(event.payloadText)
  const name = payload.status?.new_status
  return RUN_STATUSES.find((status) => status === name) ?? null
}
