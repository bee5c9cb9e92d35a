/** What we send, one JSON object per frame. Event payloads are put in place as text. */
import type { StoredEvent } from '../../internal/event/event.ts'
import type { Interaction } from '../../internal/interaction/interaction.ts'
import type { RunStatus } from '../../internal/run/run.ts'
import type { Delta } from '../../internal/runner/port.ts'
import { fromProto, protoName, RUN_STATUS } from '../dialect/enums.ts'
import { eventJson, payloadBody } from '../event-json.ts'
import { interactionView } from '../schemas/interaction.ts'
import type { EventName } from '../schemas/run-event.ts'

const typed = (name: string): string => `AGENT_MANAGER_WS_MESSAGE_TYPE_${name}`

const frame = (name: string, members: object): string => JSON.stringify({ type: typed(name), ...members })

/** Members that are JSON text already. */
const runFrame = (name: string, event: StoredEvent, member: string, text: string): string =>
  `{"type":"${typed(name)}","run_id":${JSON.stringify(event.runId)},"sequence":${event.seq},"${member}":${text}}`

export const connectedFrame = (now: Date): string =>
  frame('CONNECTED', { connected: { message: 'connected to agent-manager', timestamp: now.toISOString() } })

export const pongFrame = (now: Date): string => frame('PONG', { pong: { timestamp: now.toISOString() } })

export const errorFrame = (error: { code: string; message: string; runId: string | null }): string =>
  frame('ERROR', {
    run_id: error.runId,
    error: { code: error.code, message: error.message, run_id: error.runId },
  })

export function subscribedFrame(subscribed: {
  runId: string
  from: number
  through: number
  status: RunStatus
  pending: readonly Interaction[]
  deltas: boolean
  eventTypes: readonly EventName[]
}): string {
  const { runId, from, through, status, pending, deltas, eventTypes } = subscribed
  return frame('SUBSCRIBED', {
    run_id: runId,
    subscribed: {
      run_id: runId,
      from,
      through,
      status: protoName(RUN_STATUS, status),
      pending_interactions: pending.map(interactionView),
      deltas,
      event_types: eventTypes,
    },
  })
}

export const runEventFrame = (event: StoredEvent): string =>
  runFrame('RUN_EVENT', event, 'run_event', eventJson(event))

/** What watchers of status and progress get besides the event; null for other events. */
export function projectionFrame(event: StoredEvent): string | null {
  if (event.name === 'progress') {
    return runFrame('RUN_PROGRESS', event, 'run_progress', payloadBody(event.payloadText))
  }
  if (event.name !== 'status') return null
  const status = newStatus(event.payloadText)
  return runFrame('RUN_STATUS', event, 'run_status', JSON.stringify({ run_id: event.runId, status }))
}

/** The full name of the status an event tells of. */
function newStatus(payloadText: string): string | null {
  const payload: { status?: { new_status?: unknown } } = JSON.parse(payloadText)
  const name = payload.status?.new_status
  if (typeof name !== 'string') return null
  const status = RUN_STATUS.values.find((value) => value === fromProto(RUN_STATUS, name))
  return status === undefined ? null : protoName(RUN_STATUS, status)
}

export const deltaFrame = (runId: string, turn: number, delta: Delta): string =>
  frame('DELTA', {
    run_id: runId,
    delta: { turn, message_id: delta.messageId, kind: delta.kind, text: delta.text },
  })
