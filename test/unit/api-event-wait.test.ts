/** `wait` on the page of events, and the export of a log. */
import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { ApiDeps } from '../../api/deps.ts'
import type { StoredEvent } from '../../internal/event/event.ts'
import { apiDeps } from '../support/api-deps.ts'
import { anEvent, RUN_ID, UNKNOWN_ID } from '../support/api-values.ts'
import { Feed, serve } from '../support/api-websocket.ts'
import { call, until } from '../support/client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const message = (seq: number, content = 'hi'): StoredEvent =>
  anEvent(seq, { message: { role: 'assistant', content } })
const log = (seq: number): StoredEvent => anEvent(seq, { log: { level: 'info', message: 'x' } })

const RUN = `/api/v1/runs/${RUN_ID}`

async function start(feed: Feed, limits: Partial<ApiDeps['limits']> = {}) {
  const { deps } = apiDeps()
  const served = await serve(cleanups, feed, { limits: { ...deps.limits, ...limits } })
  return { ...served, get: (query: string) => call(served.address, 'GET', `${RUN}/events${query}`) }
}
const attached = (feed: Feed, times = 1) =>
  until(
    'the wait',
    async () => feed.watches.length,
    (length) => length === times,
    2000,
  )
const closed = (feed: Feed, times = 1) =>
  until(
    'the end of the wait',
    async () => feed.closed,
    (count) => count === times,
    2000,
  )

/** Writes and tells the watchers. */
async function write(feed: Feed, ...events: StoredEvent[]): Promise<void> {
  feed.log.push(...events)
  for (const watch of feed.watches) await watch.deliver(events)
}

describe('wait', () => {
  it('answers at once where there is an event', async () => {
    const feed = new Feed()
    feed.log = [message(1)]
    const { get } = await start(feed)

    const { body } = await get('?wait=55')

    expect(body).toMatchObject({ events: [{ sequence: 1 }], next_after_sequence: 1 })
    expect(feed.watches).toHaveLength(0)
  })

  it('answers as soon as there is an event above the cursor', async () => {
    const feed = new Feed()
    feed.log = [message(1)]
    const { get, app } = await start(feed)

    const answer = get('?after_sequence=1&wait=55s')
    await attached(feed)
    expect(app.openStreams.count('wait')).toBe(1)
    await write(feed, message(2))

    expect((await answer).body).toMatchObject({ events: [{ sequence: 2 }], has_more: false })
    await closed(feed)
    expect(app.openStreams.count('wait')).toBe(0)
  })

  it('waits for a wanted event', async () => {
    const feed = new Feed()
    const { get } = await start(feed)

    const answer = get('?event_types=message&wait=20')
    await attached(feed)
    await write(feed, log(1))
    await write(feed, log(2), message(3))

    expect((await answer).body['events']).toMatchObject([{ sequence: 3 }])
  })

  it('misses nothing that comes between its look and its wait', async () => {
    const feed = new Feed()
    // Committed before the attach, so nobody tells of it.
    feed.before = () => void feed.log.push(message(1))
    const { get } = await start(feed)

    expect((await get('?wait=55')).body['events']).toMatchObject([{ sequence: 1 }])
  })

  it('ends with an empty page when the time is over', async () => {
    const { get } = await start(new Feed())
    const began = performance.now()

    const { status, body } = await get('?after_sequence=7&wait=0.2')

    expect([status, body]).toEqual([200, { events: [], next_after_sequence: 7, has_more: false }])
    expect(performance.now() - began).toBeGreaterThan(190)
  })

  it('ends when the client hangs up', async () => {
    const feed = new Feed()
    const { address, app } = await start(feed)
    const waiting = request(`${address}${RUN}/events?wait=55`, { agent: false })
    waiting.on('error', () => undefined).end()
    await attached(feed)

    waiting.destroy()

    await closed(feed)
    await until(
      'its place',
      async () => app.openStreams.count('wait'),
      (count) => count === 0,
      2000,
    )
  })

  it('ends when the service stops', async () => {
    const feed = new Feed()
    const { get, app } = await start(feed)
    const answer = get('?wait=55')
    await attached(feed)

    await app.close()

    expect((await answer).body).toMatchObject({ events: [] })
  })

  it('is a 503 where the log cannot be read, or where too many wait', async () => {
    const feed = new Feed()
    const { get } = await start(feed, { open: { wait: 1 } })
    const first = get('?wait=55')
    await attached(feed)

    const second = await get('?wait=1')
    feed.watches[0]?.failed(new Error('the log is away'))

    expect([second.status, second.body['code']]).toEqual([503, 'CAPACITY_CONNECTIONS'])
    expect((await first).status).toBe(500)
    await closed(feed)
  })
})

describe('GET /runs/{id}/events.ndjson', () => {
  const lines = async (address: string, query = '') => {
    const response = await fetch(`${address}${RUN}/events.ndjson${query}`)
    const text = await response.text()
    return {
      response,
      text,
      events: text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
    }
  }

  it('has every event up to where the log ended when it was asked for', async () => {
    const feed = new Feed()
    feed.log = Array.from({ length: 1203 }, (_, index) => message(index + 1))
    feed.position = { lastSequence: 1202, status: 'running' }
    const { address } = await start(feed)

    const { response, events, text } = await lines(address)

    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson'])
    expect(events.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 1202 }, (_, n) => n + 1))
    expect(events[0]).not.toHaveProperty('raw')
    expect(text.endsWith('}\n')).toBe(true)
  })

  it('takes a cursor, a filter and raw', async () => {
    const feed = new Feed()
    feed.log = [message(1), log(2), message(3), log(4)]
    feed.position = { lastSequence: 4, status: 'complete' }
    const { address } = await start(feed)

    const { events } = await lines(address, '?afterSequence=1&event_types=message&include=raw')

    expect(events).toMatchObject([{ sequence: 3, raw: 'printed' }])
  })

  it('of an empty log is empty', async () => {
    const feed = new Feed()
    feed.position = { lastSequence: 0, status: 'pending' }
    const { address } = await start(feed)

    const { response, text } = await lines(address)

    expect([response.status, text]).toEqual([200, ''])
  })

  it('refuses what it does not know', async () => {
    const { address } = await start(new Feed())

    expect((await fetch(`${address}${RUN}/events.ndjson?follow=true`)).status).toBe(400)
    expect((await fetch(`${address}${RUN}/events.ndjson?limit=3`)).status).toBe(400)
    expect((await fetch(`${address}/api/v1/runs/${UNKNOWN_ID}/events.ndjson?wait=0`)).status).toBe(400)
  })

  it('reads on only as the reader takes it, and breaks off where that takes too long', async () => {
    const feed = new Feed()
    feed.log = Array.from({ length: 3000 }, (_, index) => message(index + 1, 'x'.repeat(20_000)))
    feed.position = { lastSequence: 3000, status: 'complete' }
    const { address, app } = await start(feed, { streams: { stallMs: 200 } })

    const response = await fetch(`${address}${RUN}/events.ndjson`)

    await until(
      'the cut',
      async () => app.openStreams.count('export'),
      (count) => count === 0,
      5000,
    )
    expect(feed.reads).toBeLessThan(4)
    await expect(response.text()).rejects.toThrow()
  })

  it('breaks off, visibly, where the log cannot be read any more', async () => {
    const feed = new Feed()
    feed.log = Array.from({ length: 1200 }, (_, index) => message(index + 1))
    feed.position = { lastSequence: 1200, status: 'complete' }
    const { read } = feed.useCases
    feed.useCases.read = async (runId, query) => {
      if (query.afterSequence >= 500) throw new Error('the log is away')
      return read(runId, query)
    }
    const { address } = await start(feed)

    await expect(lines(address)).rejects.toThrow()
  })
})
