import { afterEach, describe, expect, it } from 'vitest'
import type { ApiDeps } from '../../api/deps.ts'
import { AppError } from '../../internal/errors.ts'
import type { StoredEvent } from '../../internal/event/event.ts'
import { apiDeps } from '../support/api-deps.ts'
import { anEvent, RUN_ID, UNKNOWN_ID } from '../support/api-values.ts'
import { Feed, serve } from '../support/api-websocket.ts'
import { until } from '../support/client.ts'
import { SseClient } from '../support/sse-client.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const message = (seq: number, content = 'hi'): StoredEvent =>
  anEvent(seq, { message: { role: 'assistant', content } })
const status = (seq: number, to: string): StoredEvent =>
  anEvent(seq, { status: { old_status: 'running', new_status: to, reason: null } })

/** A server with a feed driven by hand; `open` connects a reader. */
async function start(
  feed = new Feed(),
  limits: Partial<ApiDeps['limits']> = {},
  more: Partial<ApiDeps> = {},
) {
  const { deps } = apiDeps()
  const served = await serve(cleanups, feed, { limits: { ...deps.limits, ...limits }, ...more })
  const open = (query = '', headers: Record<string, string> = {}, runId = RUN_ID) => {
    const client = new SseClient(`${served.address}/api/v1/runs/${runId}/events/stream${query}`, headers)
    cleanups.push(() => client.destroy())
    return client
  }
  const count = () => served.app.openStreams.count('sse')
  return { ...served, open, count }
}
const closedTimes = (feed: Feed, times: number) =>
  until(
    'the watch to close',
    async () => feed.closed,
    (closed) => closed === times,
    2000,
  )

describe('an event stream', () => {
  it('says first where it stands, then sends every event under its number', async () => {
    const feed = new Feed()
    feed.before = (watch) => void watch.deliver([message(1), status(2, 'running')])
    const { open } = await start(feed)

    const client = open()

    expect(await client.head).toMatchObject({
      status: 200,
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
        'x-request-id': expect.any(String),
      },
    })
    expect(await client.next()).toEqual({
      event: 'sync',
      id: null,
      data: {
        run_id: RUN_ID,
        from: 1,
        through: 2,
        status: 'RUN_STATUS_RUNNING',
        pending_interactions: [expect.any(Object), expect.any(Object)],
        deltas: false,
        event_types: [],
      },
    })
    const first = await client.next()
    expect(first).toMatchObject({ event: 'run_event', id: '1', data: { sequence: 1, run_id: RUN_ID } })
    expect(first.data).toEqual({ ...first.data, message: { role: 'assistant', content: 'hi' } })
    expect(await client.next()).toMatchObject({ event: 'run_event', id: '2' })
    expect(client.retries).toEqual([1000])
    await feed.watches[0]?.deliver([message(3)])
    expect(await client.next()).toMatchObject({ event: 'run_event', id: '3' })
  })

  it.each([
    ['', {}, 0],
    ['?after_sequence=7', {}, 7],
    ['?afterSequence=7', { 'last-event-id': '9' }, 9],
    ['?after_sequence=7', { 'last-event-id': '' }, 7],
  ])('with %s and %j starts above %i', async (query, headers, after) => {
    const { open, feed } = await start()

    expect((await open(query, headers).next()).event).toBe('sync')

    expect(feed.watches[0]?.afterSequence).toBe(after)
  })

  it.each([
    ['?after_sequence=-1', {}],
    ['?event_types=nonsense', {}],
    ['?deltas=maybe', {}],
    ['?until=lunch', {}],
    ['?follow=true', {}],
    ['', { 'last-event-id': 'x' }],
  ])('with %s and %j is a 400 that says why', async (query, headers) => {
    const { open } = await start()

    const { status: code, headers: got } = await open(query, headers).head

    expect([code, got['content-type']]).toEqual([400, 'application/problem+json; charset=utf-8'])
  })

  it('shows the wanted events, and deltas where they are wanted', async () => {
    const { open, feed } = await start()
    const client = open('?event_types=message&deltas=true')
    await client.next()

    await feed.watches[0]?.deliver([status(1, 'running'), message(2)])
    feed.watches[0]?.delta?.(RUN_ID, 1, { messageId: 'm', kind: 'text', text: 'he' })

    expect(await client.next()).toMatchObject({ event: 'run_event', id: '2' })
    expect(await client.next()).toEqual({
      event: 'delta',
      id: null,
      data: { run_id: RUN_ID, turn: 1, message_id: 'm', kind: 'text', text: 'he' },
    })
  })

  it('gives signs of life', async () => {
    const { open } = await start(new Feed(), { streams: { heartbeatMs: 10 } })

    const client = open()

    await until(
      'heartbeats',
      async () => client.comments,
      (comments) => comments.length >= 2,
      2000,
    )
    expect(client.comments[0]).toBe('heartbeat')
  })

  it('of a run that is not there is a 404', async () => {
    const { open, count } = await start()

    expect(await open('', {}, UNKNOWN_ID).head).toMatchObject({ status: 404 })
    expect(await open('', {}, 'x').head).toMatchObject({ status: 404 })
    await until(
      'its place',
      async () => count(),
      (open) => open === 0,
      2000,
    )
  })

  it('that cannot be opened answers what is wrong, and gives everything back', async () => {
    const { deps } = apiDeps()
    const pending = async () => {
      throw new AppError('DATABASE_CONNECTION', 'The database cannot be reached.')
    }
    const interactions = { ...deps.interactions, pending }
    const { open, feed, count } = await start(new Feed(), {}, { interactions })

    expect((await open().head).status).toBe(503)

    expect(feed.closed).toBe(1)
    await until(
      'its place',
      async () => count(),
      (open) => open === 0,
      2000,
    )
  })

  it('whose log cannot be read ends, so that the reader comes back', async () => {
    const { open, feed } = await start()
    const client = open()
    await client.next()

    feed.watches[0]?.failed(new Error('the log is away'))

    expect(await client.ended).toBe('whole')
  })
})

describe('until=terminal', () => {
  const end = (to: string, last: number) => ({
    event: 'end',
    id: null,
    data: { run_id: RUN_ID, status: to, last_sequence: last },
  })

  it('ends behind the last event of a run that finishes', async () => {
    const { open, feed } = await start()
    const client = open('?until=terminal')
    await client.next()
    feed.position = { lastSequence: 4, status: 'complete' }

    await feed.watches[0]?.deliver([message(3), status(4, 'complete')])

    expect((await client.next()).id).toBe('3')
    expect((await client.next()).id).toBe('4')
    expect(await client.next()).toEqual(end('RUN_STATUS_COMPLETE', 4))
    expect(await client.ended).toBe('whole')
    expect(feed.closed).toBe(1)
  })

  it('ends at once where everything is told already', async () => {
    const feed = new Feed()
    feed.status = 'failed'
    feed.position = { lastSequence: 2, status: 'failed' }
    const { open } = await start(feed)

    const client = open('?until=terminal', { 'last-event-id': '2' })

    expect((await client.next()).event).toBe('sync')
    expect(await client.next()).toEqual(end('RUN_STATUS_FAILED', 2))
  })

  it('goes through a log of several turns to its end', async () => {
    const feed = new Feed()
    feed.status = 'complete'
    feed.position = { lastSequence: 6, status: 'complete' }
    const { open } = await start(feed)
    const client = open('?until=terminal&event_types=message')
    await client.next()

    await feed.watches[0]?.deliver([status(1, 'complete'), status(2, 'pending')])
    await feed.watches[0]?.deliver([status(3, 'running'), status(4, 'complete')])
    await feed.watches[0]?.deliver([message(5)])
    expect(feed.closed).toBe(0)
    await feed.watches[0]?.deliver([message(6)])

    expect((await client.next()).id).toBe('5')
    expect((await client.next()).id).toBe('6')
    expect(await client.next()).toEqual(end('RUN_STATUS_COMPLETE', 6))
  })

  it('stays with a run that was continued meanwhile', async () => {
    const { open, feed } = await start()
    const client = open('?until=terminal')
    await client.next()
    feed.position = { lastSequence: 4, status: 'pending' }

    await feed.watches[0]?.deliver([status(3, 'complete')])
    await feed.watches[0]?.deliver([status(4, 'pending')])

    await client.next()
    expect((await client.next()).id).toBe('4')
    expect(feed.closed).toBe(0)
  })

  it('without it a stream stays', async () => {
    const { open, feed } = await start()
    const client = open()
    await client.next()
    feed.position = { lastSequence: 3, status: 'complete' }

    await feed.watches[0]?.deliver([status(3, 'complete')])
    await feed.watches[0]?.deliver([message(4)])

    await client.next()
    expect((await client.next()).id).toBe('4')
  })
})

describe('a reader of an event stream', () => {
  const big = Array.from({ length: 60 }, (_, index) => message(index + 1, 'x'.repeat(300_000)))

  it('that is slow waits for itself only, and gets everything in the end', async () => {
    const { open, feed } = await start()
    const client = open()
    await client.next()
    client.pause()

    let done = false
    const delivered = feed.watches[0]?.deliver(big).then(() => {
      done = true
    })
    expect((await open().next()).event).toBe('sync')
    expect(done).toBe(false)

    client.resume()
    await delivered
    for (const { seq } of big) expect((await client.next()).id).toBe(String(seq))
  })

  it('that takes nothing for too long is cut off', async () => {
    const { open, feed, count } = await start(new Feed(), { streams: { stallMs: 200 } })
    const client = open()
    await client.next()
    client.pause()

    // Resolves when the server has given up: nobody is left waiting.
    await feed.watches[0]?.deliver(big)

    await closedTimes(feed, 1)
    client.resume()
    expect(await client.ended).toBe('cut')
    await until(
      'its place',
      async () => count(),
      (open) => open === 0,
      2000,
    )
  })

  it('that hangs up leaves nothing behind', async () => {
    const { open, feed, count } = await start()
    const client = open()
    await client.next()
    expect(count()).toBe(1)

    client.destroy()

    await closedTimes(feed, 1)
    expect(count()).toBe(0)
  })

  it('that hangs up while it is being opened leaves nothing behind', async () => {
    const feed = new Feed()
    const gate = Promise.withResolvers<void>()
    feed.before = () => gate.promise
    const { open, count } = await start(feed)
    const client = open()
    await until(
      'the attach',
      async () => feed.watches.length,
      (length) => length === 1,
      2000,
    )

    client.destroy()
    await until(
      'its place',
      async () => count(),
      (open) => open === 0,
      2000,
    )
    gate.resolve()

    await closedTimes(feed, 1)
  })

  it('finds no room where there are too many', async () => {
    const { open, count } = await start(new Feed(), { open: { sse: 1 } })
    const first = open()
    await first.next()

    const refused = await open().head
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '5'])
    first.destroy()
    await until(
      'its place',
      async () => count(),
      (open) => open === 0,
      2000,
    )
    expect((await open().head).status).toBe(200)
  })

  it('is sent to come back when the service stops, also one that takes nothing', async () => {
    const { app, open, feed } = await start()
    const [polite, stuck] = [open(), open()]
    await Promise.all([polite.next(), stuck.next()])
    stuck.pause()
    const delivered = feed.watches[1]?.deliver([message(1, 'x'.repeat(20_000_000))])
    const began = performance.now()

    await app.close()

    expect(await polite.ended).toBe('whole')
    expect(polite.retries).toEqual([1000, 1000])
    await delivered
    stuck.resume()
    expect(await stuck.ended).toBe('cut')
    expect(performance.now() - began).toBeLessThan(4000)
  })
})
