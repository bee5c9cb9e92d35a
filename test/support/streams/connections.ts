/** One connection of a reader, over WebSocket or server-sent events, that can be slow and can break anywhere. */
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { Json } from '../client.ts'
import { SseClient } from '../sse-client.ts'
import type { Wish } from './ledger.ts'

export interface Start {
  readonly runId: string
  readonly from: number
}

export interface Told {
  subscribed(starts: readonly Start[]): void
  event(runId: string, event: Json): void
  /** The service said that something is wrong. */
  refused(what: string): void
}

export interface Connection {
  /** Resolves when it is over, whoever ended it. */
  readonly over: Promise<void>
  pause(): void
  resume(): void
  /** Takes the line away without a word. */
  cut(): void
  /** The same at the next bytes that come, wherever in a message that is. */
  cutInTheMiddle(): void
  /** Says goodbye. */
  close(): void
}

const CLIENT = 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_'

/** @param cursors empty on a first connection: it starts live (of one run: at its first event) */
export function openSocket(
  url: string,
  wish: Wish,
  options: { cursors: Record<string, number>; types: readonly string[] | null; told: Told },
): Connection {
  const { told } = options
  const ws = new WebSocket(`${url.replace('http', 'ws')}/api/v1/ws`)
  let socket: Socket | undefined
  ws.on('upgrade', (response) => {
    socket = response.socket
  })
  let isOver = false
  ws.on('open', () => ws.send(JSON.stringify(subscription(wish, options.cursors, options.types))))
  ws.on('message', (data: Buffer) => {
    if (!isOver) frame(JSON.parse(data.toString()), told)
  })
  ws.on('error', () => undefined) // 'close' follows
  const over = new Promise<void>((resolve) => {
    ws.on('close', () => resolve())
  })
  const cut = () => {
    isOver = true
    if (socket) socket.destroy()
    else ws.terminate()
  }
  return {
    over,
    cut,
    cutInTheMiddle: () => void socket?.prependOnceListener('data', cut),
    pause: () => ws.readyState === ws.OPEN && ws.pause(),
    resume: () => ws.readyState === ws.OPEN && ws.resume(),
    close: () => {
      isOver = true
      ws.close()
    },
  }
}

function subscription(wish: Wish, cursors: Record<string, number>, types: readonly string[] | null): Json {
  const more = types && { event_types: types }
  switch (wish.kind) {
    case 'run': {
      const run_subscription = { run_id: wish.runId, after_sequence: cursors[wish.runId] ?? 0, ...more }
      return { type: `${CLIENT}SUBSCRIBE`, run_subscription }
    }
    case 'task':
      return { type: `${CLIENT}SUBSCRIBE`, run_subscription: { task_id: wish.taskId, ...more }, cursors }
    case 'tag':
      return { type: `${CLIENT}SUBSCRIBE`, run_subscription: { tag_prefix: wish.prefix, cursors, ...more } }
    case 'all':
      return { type: `${CLIENT}SUBSCRIBE_ALL`, cursors, ...(more && { run_subscription: more }) }
  }
}

function frame(message: Json, told: Told): void {
  const { run_event: event, subscribed, error } = message
  if (event) {
    if (message['run_id'] !== event.run_id || message['sequence'] !== event.sequence)
      told.refused(`a frame's run and number are not its event's: ${event.run_id} ${event.sequence}`)
    told.event(event.run_id, event)
  } else if (subscribed) {
    const runs: Json[] = subscribed.runs ?? [subscribed]
    told.subscribed(runs.map((run) => ({ runId: run['run_id'], from: run['from'] })))
  } else if (error) told.refused(`${error.code}: ${error.message}`)
}

export function openSse(
  url: string,
  runId: string,
  options: { cursor: number | null; types: readonly string[] | null; told: Told },
): Connection {
  const { cursor, types, told } = options
  const query = types ? `?event_types=${types.join(',')}` : ''
  const headers: Record<string, string> = cursor === null ? {} : { 'last-event-id': String(cursor) }
  let isOver = false
  const client: SseClient = new SseClient(
    `${url}/api/v1/runs/${runId}/events/stream${query}`,
    headers,
    () => {
      for (const { event, id, data } of client.messages.splice(0)) {
        if (isOver) return
        if (event === 'sync') told.subscribed([{ runId, from: data['from'] }])
        else if (event === 'run_event') {
          if (id !== String(data['sequence']))
            told.refused(`id ${id} is not that of event ${data['sequence']}`)
          told.event(runId, data)
        }
      }
    },
  )
  client.head.then(
    ({ status }) => status === 200 || told.refused(`status ${status}`),
    () => undefined, // it is over, and the reader comes back
  )
  const cut = () => {
    isOver = true
    client.destroy()
  }
  return {
    over: client.ended.then(() => undefined),
    cut,
    cutInTheMiddle: () => client.beforeData(cut),
    pause: () => client.pause(),
    resume: () => client.resume(),
    close: cut,
  }
}
