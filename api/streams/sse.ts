/** Server-sent events (WHATWG HTML, section 9.2). JSON text holds no line break, so each message is one data line. */
import type { RunStatus } from '../../internal/run/run.ts'
import { protoName, RUN_STATUS } from '../dialect/enums.ts'
import { eventJson } from '../event-json.ts'
import { SSE_RETRY_MS } from '../limits.ts'
import type { RunVoice } from './run-watch.ts'
import { subscribedView } from './subscribed-view.ts'

const message = (event: string, data: string, id?: number): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`

/** How long a client waits before it comes back. */
const RETRY = `retry: ${SSE_RETRY_MS}\n`

export const HEARTBEAT = ': heartbeat\n\n'
export const FAREWELL = `: restarting\n${RETRY}\n`

export const sseVoice: RunVoice = {
  subscribed: (subscribed) => `${RETRY}${message('sync', JSON.stringify(subscribedView(subscribed)))}`,
  event: (event, wanted) => (wanted ? [message('run_event', eventJson(event), event.seq)] : []),
  delta: (runId, turn, { messageId, kind, text }) =>
    message('delta', JSON.stringify({ run_id: runId, turn, message_id: messageId, kind, text })),
}

/** Nothing more comes: the run is finished and told. */
export const endMessage = (runId: string, status: RunStatus, lastSequence: number): string =>
  message(
    'end',
    JSON.stringify({ run_id: runId, status: protoName(RUN_STATUS, status), last_sequence: lastSequence }),
  )
