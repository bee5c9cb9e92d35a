/** What can be told from committed events alone: every writer of this replica publishes what it committed. */
import type { Metrics } from '../metrics.ts'
import { type EventPayloads, payloadOf, type StoredEvent } from './event.ts'

/** Counts a batch. */
export function countCommitted(metrics: Metrics, events: readonly StoredEvent[]): void {
  if (events.length === 0) return
  metrics.count('event_batches_total', {})
  for (const event of events) {
    metrics.count('events_appended_total', { type: event.name })
    if (event.name === 'status') countStatus(metrics, payloadOf(event, 'status'))
    else if (event.name === 'interaction')
      metrics.count('interactions_total', { status: payloadOf(event, 'interaction').status })
    else if (event.name === 'approval') countApproval(metrics, payloadOf(event, 'approval'))
  }
}

function countStatus(metrics: Metrics, { old_status, new_status, reason }: EventPayloads['status']): void {
  metrics.count('run_transitions_total', { from: old_status ?? 'none', to: new_status })
  // The reason of a failure is its code.
  if (new_status === 'failed') metrics.count('run_failures_total', { code: reason ?? 'unknown' })
}

/** A rejection's `error` is what the reviewer said. */
function countApproval(metrics: Metrics, { action, error }: EventPayloads['approval']): void {
  metrics.count('approvals_total', {
    action,
    outcome: action === 'reject' || error === null ? 'done' : 'error',
  })
}
