/** What we send, one JSON object per frame. Event payloads are put in place as text. */
import type { StoredEvent } from '../../internal/event/event.ts'
import { newStatus } from '../../internal/event/status-event.ts'
import type { Delta } from '../../internal/runner/port.ts'
import type { TaskStatus } from '../../internal/task/task.ts'
import type { ApiDeps } from '../deps.ts'
import { protoName, RUN_STATUS, TASK_STATUS } from '../dialect/enums.ts'
import { eventJson, payloadBody } from '../event-json.ts'
import type { Subscribed } from '../streams/run-watch.ts'
import { sharedView, subscribedView } from '../streams/subscribed-view.ts'
import type { WideWish } from './messages.ts'

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

export function subscribedFrame(subscribed: Subscribed): string {
  return frame('SUBSCRIBED', { run_id: subscribed.runId, subscribed: subscribedView(subscribed) })
}

export interface SubscribedMany
  extends Pick<WideWish, 'selection'>,
    Pick<Subscribed, 'pending' | 'deltas' | 'eventTypes'> {
  readonly runs: Awaited<ReturnType<ApiDeps['events']['subscribeMany']>>['runs']
}

/** For several runs: the same members, and where each run stands. Runs that appear later start at 1. */
export function subscribedManyFrame(subscribed: SubscribedMany): string {
  const { selection, runs } = subscribed
  return frame('SUBSCRIBED', {
    run_id: null,
    subscribed: {
      run_id: null,
      from: null,
      through: null,
      status: null,
      task_id: selection.kind === 'task' ? selection.taskId : null,
      tag_prefix: selection.kind === 'tag' ? selection.prefix : null,
      runs: runs.map(({ runId, from, through, status }) => ({
        run_id: runId,
        from,
        through,
        status: protoName(RUN_STATUS, status),
      })),
      ...sharedView(subscribed),
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
  const status = newStatus(event)
  const name = status && protoName(RUN_STATUS, status)
  return runFrame('RUN_STATUS', event, 'run_status', JSON.stringify({ run_id: event.runId, status: name }))
}

export const taskStatusFrame = (
  event: StoredEvent,
  { taskId, status }: { taskId: string; status: TaskStatus },
): string =>
  runFrame(
    'TASK_STATUS',
    event,
    'task_status',
    JSON.stringify({ task_id: taskId, status: protoName(TASK_STATUS, status) }),
  )

export const deltaFrame = (runId: string, turn: number, delta: Delta): string =>
  frame('DELTA', {
    run_id: runId,
    delta: { turn, message_id: delta.messageId, kind: delta.kind, text: delta.text },
  })
