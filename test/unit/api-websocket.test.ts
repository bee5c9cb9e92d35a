import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { StoredEvent } from '../../internal/event/event.ts'
import { anEvent, RUN_ID, UNKNOWN_ID } from '../support/api-values.ts'
import { Feed, serve } from '../support/api-websocket.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const start = (feed?: Feed) => serve(cleanups, feed)

const message = (seq: number, content = 'hi', runId = RUN_ID): StoredEvent =>
  anEvent(seq, { message: { role: 'assistant', content } }, runId)
const status = (seq: number, to: string): StoredEvent =>
  anEvent(seq, { status: { old_status: 'starting', new_status: to, reason: null } })

/** Waits until a condition holds. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 2000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come about')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('a subscription', () => {
  it('is answered first, then come the replay and the live events', async () => {
    const feed = new Feed()
    let delivered: Promise<void> | undefined
    feed.before = async (watch) => {
      // The feed may deliver before it has answered.
      delivered = watch.deliver([message(1), status(2, 'running')])
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { connect } = await start(feed)
    const client = await connect()

    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })

    expect(await client.next()).toEqual({
      type: 'SUBSCRIBED',
      run_id: RUN_ID,
      subscribed: {
        run_id: RUN_ID,
        from: 1,
        through: 2,
        status: 'RUN_STATUS_RUNNING',
        pending_interactions: [expect.any(Object), expect.any(Object)],
        deltas: false,
        event_types: [],
      },
    })
    expect(await client.next()).toMatchObject({
      type: 'RUN_EVENT',
      run_id: RUN_ID,
      sequence: 1,
      run_event: { sequence: 1 },
    })
    expect(await client.next()).toMatchObject({
      type: 'RUN_EVENT',
      sequence: 2,
      run_event: { status: { new_status: 'running' } },
    })
    expect(await client.next()).toEqual({
      type: 'RUN_STATUS',
      run_id: RUN_ID,
      sequence: 2,
      run_status: { run_id: RUN_ID, status: 'RUN_STATUS_RUNNING' },
    })
    await delivered
    await feed.watches[0]?.deliver([message(3)])
    expect(await client.next()).toMatchObject({ type: 'RUN_EVENT', sequence: 3 })
  })

  it.each([
    ['from the start', { run_id: RUN_ID }, 0],
    ['above a number', { runId: RUN_ID, afterSequence: 7 }, 7],
    ['above a number in text, as proto writes it', { run_id: RUN_ID, after_sequence: '12' }, 12],
  ])('starts %s', async (_, run_subscription, after) => {
    const { connect, feed } = await start()
    const client = await connect()

    client.send('SUBSCRIBE', { run_subscription })

    expect((await client.next()).type).toBe('SUBSCRIBED')
    expect(feed.watches[0]?.afterSequence).toBe(after)
  })

  it('in the older form starts live', async () => {
    const { connect, feed } = await start()
    const client = await connect()

    client.sendText(JSON.stringify({ type: 'subscribe', payload: { runId: RUN_ID } }))

    expect(await client.next()).toMatchObject({ type: 'SUBSCRIBED', subscribed: { from: 3 } })
    expect(feed.watches[0]?.afterSequence).toBeNull()
    client.sendText(JSON.stringify({ type: 'ping' }))
    expect((await client.next()).type).toBe('PONG')
  })

  it('shows only the wanted events, and always the status and the progress', async () => {
    const { connect, feed } = await start()
    const client = await connect()

    client.send('SUBSCRIBE', {
      runSubscription: { runId: RUN_ID, eventTypes: ['RUN_EVENT_TYPE_LOG', 'message'] },
    })
    await client.next()
    await feed.watches[0]?.deliver([
      anEvent(1, { progress: { phase: 'executing', percent_complete: 50, current_action: 'x' } }),
      message(2),
      status(3, 'complete'),
    ])

    expect(await client.untilPong()).toMatchObject([
      {
        type: 'RUN_PROGRESS',
        sequence: 1,
        run_progress: { phase: 'executing', percent_complete: 50, current_action: 'x' },
      },
      { type: 'RUN_EVENT', sequence: 2 },
      { type: 'RUN_STATUS', sequence: 3, run_status: { status: 'RUN_STATUS_COMPLETE' } },
    ])
  })

  it('shows text on its way where that is wanted', async () => {
    const { connect, feed } = await start()
    const client = await connect()

    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID, deltas: true } })
    await client.next()
    feed.watches[0]?.delta?.(RUN_ID, 1, { messageId: 'm', kind: 'text', text: 'he' })

    expect(await client.next()).toEqual({
      type: 'DELTA',
      run_id: RUN_ID,
      delta: { turn: 1, message_id: 'm', kind: 'text', text: 'he' },
    })
  })

  it('has no deltas otherwise', async () => {
    const { connect, feed } = await start()
    const client = await connect()

    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    await client.next()

    expect(feed.watches[0]?.delta).toBeUndefined()
  })

  it('ends with UNSUBSCRIBE, also while it is being opened', async () => {
    const feed = new Feed()
    const gate = Promise.withResolvers<void>()
    feed.before = () => gate.promise
    const { connect } = await start(feed)
    const client = await connect()

    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    client.send('UNSUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    expect(await client.untilPong()).toEqual([])
    gate.resolve()
    await until(() => feed.closed === 1)
    await feed.watches[0]?.deliver([message(1)])

    expect(await client.untilPong()).toEqual([])
  })

  it('of the same run starts anew', async () => {
    const { connect, feed } = await start()
    const client = await connect()

    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    await client.next()
    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID, after_sequence: 1 } })
    await client.next()
    await feed.watches[0]?.deliver([message(1)])
    await feed.watches[1]?.deliver([message(2)])

    expect(feed.closed).toBe(1)
    expect(await client.untilPong()).toMatchObject([{ sequence: 2 }])
  })

  it('ends with the connection', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    client.send('SUBSCRIBE_ALL')
    await client.untilPong()

    client.socket.terminate()

    await until(() => feed.closed === 2)
  })
})

describe('SUBSCRIBE_ALL', () => {
  it('shows every run once', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    await client.next()

    client.send('SUBSCRIBE_ALL')
    client.send('SUBSCRIBE_ALL')
    await client.untilPong()
    await feed.all[0]?.deliver([message(1)])
    await feed.all[0]?.deliver([message(5, 'there', UNKNOWN_ID)])

    expect(feed.all).toHaveLength(1)
    expect(await client.untilPong()).toMatchObject([{ run_id: UNKNOWN_ID, sequence: 5 }])
  })

  it('ends with UNSUBSCRIBE_ALL', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    client.send('SUBSCRIBE_ALL')
    client.send('UNSUBSCRIBE_ALL')
    await client.untilPong()

    await feed.all[0]?.deliver([message(1)])

    expect(feed.closed).toBe(1)
    expect(await client.untilPong()).toEqual([])
  })
})

describe('a reader', () => {
  it('that is slow holds up its own deliveries only, and gets everything in the end', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    await client.next()
    const big = 'x'.repeat(200_000)
    const events = Array.from({ length: 100 }, (_, index) => message(index + 1, big))

    client.socket.pause()
    let done = false
    const delivered = feed.watches[0]?.deliver(events).then(() => {
      done = true
    })
    const other = await connect()
    await other.untilPong()

    expect(done).toBe(false)
    client.socket.resume()
    await delivered
    const frames = await client.untilPong()
    expect(frames.map((frame) => frame['sequence'])).toEqual(events.map(({ seq }) => seq))
  })

  it('whose log cannot be read is sent away with the number it has', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    await client.next()
    await feed.watches[0]?.deliver([message(1), message(2)])
    await client.untilPong()

    feed.watches[0]?.failed(new Error('the log is away'))

    expect(await client.closed).toEqual({ code: 1013, reason: 'sequence=2' })
  })
})

describe('the route', () => {
  it('says farewell when the server stops', async () => {
    const { app, connect, feed } = await start()
    const client = await connect()
    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    await client.next()
    await feed.watches[0]?.deliver([message(1)])
    await client.untilPong()

    await app.close()

    expect(await client.closed).toEqual({ code: 1012, reason: 'sequence=1' })
  })

  it('tells a plain request what it speaks', async () => {
    const { address } = await start()

    const response = await fetch(`${address}/api/v1/ws`)

    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ code: 'VALIDATION_FORMAT' })
  })

  it('refuses an upgrade it does not understand', async () => {
    const { url } = await start()
    const socket = new WebSocket(`${url}?token=x`)

    const status = await new Promise((resolve, reject) => {
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode))
      socket.on('error', reject)
    })

    expect(status).toBe(400)
  })

  it('is the only one that can be upgraded', async () => {
    const { url } = await start()

    const socket = new WebSocket(url.replace('/ws', '/runs'))

    const status = await new Promise((resolve, reject) => {
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode))
      socket.on('error', reject)
    })

    expect(status).toBe(200) // answered as the request it is otherwise
  })
})
