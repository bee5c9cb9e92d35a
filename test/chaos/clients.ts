/** Clients as they are: they ask any replica, ask again when nobody answers, and write down what they were shown. */
import { setTimeout as delay } from 'node:timers/promises'
import { type Json, watchRun } from '../support/client.ts'
import type { SeenEvent } from './checker.ts'
import type { Random } from './random.ts'
import type { Replica } from './stage.ts'

const PATIENCE_MS = 60_000
const ANSWER_MS = 10_000
const BETWEEN_MS = 100

export interface Client {
  /** Asks until an answer comes that is none of 5xx, 408, 409 in flight or 429. @throws after a minute */
  ask(method: string, path: string, body?: unknown, key?: string): Promise<{ status: number; body: Json }>
  /** Follows a run until `isDone`, over as many connections as it takes. */
  follow(runId: string, isDone: () => boolean): Promise<(readonly SeenEvent[])[]>
}

export function createClient(replicas: readonly Replica[], random: Random): Client {
  const anyUrl = (): string | null => {
    const up = replicas.flatMap((replica) => replica.url ?? [])
    return up.length === 0 ? null : random.pick(up)
  }
  return {
    ask: async (method, path, body, key) => {
      const end = performance.now() + PATIENCE_MS
      for (let last = ''; ; ) {
        const answer = await once(anyUrl(), method, path, body, key)
        if ('body' in answer && !isToBeRepeated(answer.status)) return answer
        last = 'body' in answer ? `${answer.status} ${JSON.stringify(answer.body)}` : answer.error
        if (performance.now() > end) throw new Error(`${method} ${path}: ${last}`)
        await delay(BETWEEN_MS)
      }
    },
    follow: async (runId, isDone) => {
      const connections: (readonly SeenEvent[])[] = []
      let cursor = 0
      while (!isDone()) {
        const seen = await oneConnection(anyUrl(), runId, cursor, random, isDone)
        connections.push(seen)
        cursor = seen.at(-1)?.sequence ?? cursor
      }
      return connections
    },
  }
}

/** Whatever says that the same may work in a moment. */
const isToBeRepeated = (status: number): boolean => status >= 500 || status === 408 || status === 429

async function once(
  url: string | null,
  method: string,
  path: string,
  body: unknown,
  key: string | undefined,
): Promise<{ status: number; body: Json } | { error: string }> {
  if (url === null) return { error: 'no replica is up' }
  try {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(key !== undefined && { 'idempotency-key': key }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
  } catch (error) {
    return { error: String(error) }
  }
}

/** One WebSocket from a cursor, until it breaks, or we drop it in the middle, or it falls silent for long. */
async function oneConnection(
  url: string | null,
  runId: string,
  cursor: number,
  random: Random,
  isDone: () => boolean,
): Promise<SeenEvent[]> {
  const seen: SeenEvent[] = []
  if (url === null) {
    await delay(BETWEEN_MS)
    return seen
  }
  try {
    const watch = await watchRun(url, runId, cursor)
    const dropAt = performance.now() + random.between(500, 8000)
    let isClosed = false
    void watch.closed.then(() => {
      isClosed = true
    })
    while (!isClosed && !isDone() && performance.now() < dropAt) await delay(BETWEEN_MS)
    watch.close()
    for (const { sequence, id } of watch.events()) seen.push({ sequence, id })
  } catch {
    await delay(BETWEEN_MS) // nobody there: the next one
  }
  return seen
}
