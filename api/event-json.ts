/**
 * Events as JSON text, the same bytes over REST and WebSocket. The payload is in wire form already: it is put
 * in place, never parsed and written again.
 */
import { EVENT_TYPE_OF, type StoredEvent } from '../internal/event/event.ts'

/** @param raw what the CLI printed; leave it out to leave the member out */
export function eventJson(event: StoredEvent, raw?: string | null): string {
  const envelope = JSON.stringify({
    id: event.id,
    run_id: event.runId,
    sequence: event.seq,
    event_type: `RUN_EVENT_TYPE_${EVENT_TYPE_OF[event.name].toUpperCase()}`,
    timestamp: event.createdAt.toISOString(),
    turn: event.turn,
    attempt: event.attempt,
    synthetic: event.synthetic,
    ...(raw !== undefined && { raw }),
  })
  return `${envelope.slice(0, -1)},${event.payloadText.slice(1)}`
}

/** The text of a payload without the name around it: `{"progress":{…}}` -> `{…}`. */
export const payloadBody = (payloadText: string): string =>
  payloadText.slice(payloadText.indexOf(':') + 1, payloadText.lastIndexOf('}'))
