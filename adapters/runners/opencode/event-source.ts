/** The server's event stream, reconnected when it drops: what was missed is read from the stored session. */
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../../internal/errors.ts'
import { withDeadline } from '../../../internal/process/deadline.ts'
import type { OpencodeClient } from './http.ts'
import { readEvents } from './sse.ts'
import { eventSchema, type OpencodeEvent } from './wire.ts'

const CONNECT_TIMEOUT_MS = 10_000
const MAX_RECONNECTS = 3
const RECONNECT_PAUSE_MS = 200
/** A heartbeat comes every 10 s. */
const QUIET_MS = 45_000

export interface SourcedEvent {
  readonly event: OpencodeEvent
  /** As it was sent. */
  readonly raw: string
}

export interface EventSource {
  /** The next event; null after `close`. Rejects when the stream is lost for good. */
  next(): Promise<SourcedEvent | null>
  close(): Promise<void>
}

type Client = Pick<OpencodeClient, 'events' | 'messages' | 'openPermissions' | 'openQuestions' | 'isIdle'>

/** Resolves when the stream is open, so that nothing of a prompt sent now is missed. */
export async function openEventSource(client: Client, sessionId: string): Promise<EventSource> {
  const closed = new AbortController()
  const first = await connect(client, closed.signal)
  const events = follow(client, sessionId, first, closed.signal)
  return {
    async next() {
      const item = await events.next()
      return item.done === true ? null : item.value
    },
    async close() {
      closed.abort()
      // A read under way ends with the abort; what it ends with interests nobody.
      await withDeadline(events.return(undefined), CONNECT_TIMEOUT_MS, 'closing the event stream').catch(
        () => undefined,
      )
    },
  }
}

async function* follow(
  client: Client,
  sessionId: string,
  first: AsyncGenerator<string>,
  closed: AbortSignal,
): AsyncGenerator<SourcedEvent, undefined> {
  let stream = first
  for (;;) {
    let fault = 'it ended'
    try {
      for await (const raw of stream) {
        const event = parseEvent(raw)
        if (event !== null) yield { event, raw }
      }
    } catch (error) {
      fault = messageOf(error)
    }
    if (closed.aborted) return undefined
    stream = await reconnect(client, closed, fault)
    if (closed.aborted) return undefined
    yield* missedEvents(client, sessionId)
  }
}

async function reconnect(
  client: Client,
  closed: AbortSignal,
  fault: string,
): Promise<AsyncGenerator<string>> {
  for (let attempt = 1; ; attempt += 1) {
    await delay(RECONNECT_PAUSE_MS * attempt)
    try {
      return await connect(client, closed)
    } catch (error) {
      if (closed.aborted || attempt === MAX_RECONNECTS)
        throw new Error(`the event stream of opencode was lost (${fault}): ${messageOf(error)}`)
    }
  }
}

/** Opens the stream and waits for its first event: from then on nothing is missed. */
async function connect(client: Client, closed: AbortSignal): Promise<AsyncGenerator<string>> {
  const given = new AbortController()
  const signal = AbortSignal.any([closed, given.signal])
  try {
    const body = await withDeadline(client.events(signal), CONNECT_TIMEOUT_MS, 'opening the event stream')
    const stream = readEvents(body, QUIET_MS)
    await withDeadline(stream.next(), CONNECT_TIMEOUT_MS, 'the first event')
    return stream
  } catch (error) {
    given.abort()
    throw error
  }
}

function parseEvent(raw: string): OpencodeEvent | null {
  try {
    const parsed = eventSchema.safeParse(JSON.parse(raw))
    return parsed.success ? parsed.data : null
  } catch {
    return null // not JSON: nothing that this adapter knows
  }
}

/**
 * The stored session as the events that would have told of it. The turn's view knows what was told already.
 * "Idle" comes last, and is asked for first: work that ends meanwhile is told by the new stream.
 */
async function* missedEvents(client: Client, sessionId: string): AsyncGenerator<SourcedEvent, undefined> {
  const idle = await client.isIdle(sessionId)
  for (const { info, parts } of await client.messages(sessionId)) {
    yield told('message.updated', { sessionID: sessionId, info })
    for (const part of parts) yield told('message.part.updated', { sessionID: sessionId, part })
  }
  for (const permission of await client.openPermissions()) yield told('permission.asked', permission)
  for (const question of await client.openQuestions()) yield told('question.asked', question)
  if (idle) yield told('session.idle', { sessionID: sessionId })
  return undefined
}

function told(type: string, properties: OpencodeEvent['properties']): SourcedEvent {
  const event = { type, properties }
  return { event, raw: JSON.stringify(event) }
}
