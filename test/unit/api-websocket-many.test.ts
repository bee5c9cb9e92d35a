import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../internal/errors.ts'
import type { StoredEvent } from '../../internal/event/event.ts'
import { anEvent, INTERACTION_ID, RUN_ID, TASK_ID, UNKNOWN_ID } from '../support/api-values.ts'
import { type Client, Feed, serve } from '../support/api-websocket.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const start = (feed?: Feed) => serve(cleanups, feed)

const message = (seq: number, runId = RUN_ID): StoredEvent =>
  anEvent(seq, { message: { role: 'assistant', content: 'hi' } }, runId)
const status = (seq: number, to: string, runId = RUN_ID): StoredEvent =>
  anEvent(seq, { status: { old_status: null, new_status: to, reason: null } }, runId)

const followed = (runId: string, from: number, through: number, pendingInteractions = 0) =>
  ({ runId, from, through, status: 'running', pendingInteractions }) as const

/** Subscribes and waits for the answer. */
async function subscribed(client: Client, type: 'SUBSCRIBE' | 'SUBSCRIBE_ALL', members: object = {}) {
  client.send(type, members)
  const frame = await client.next()
  expect(frame.type).toBe('SUBSCRIBED')
  return frame
}

describe('a subscription to several runs', () => {
  it.each([
    ['of a task', 'SUBSCRIBE', { run_subscription: { task_id: TASK_ID } }, { kind: 'task', taskId: TASK_ID }],
    [
      'by a tag prefix',
      'SUBSCRIBE',
      { runSubscription: { tagPrefix: 'eco' } },
      { kind: 'tag', prefix: 'eco' },
    ],
    ['of all', 'SUBSCRIBE_ALL', {}, { kind: 'all' }],
    ['of all, as proto sends it', 'SUBSCRIBE_ALL', { run_subscription: { run_id: '' } }, { kind: 'all' }],
  ] as const)('%s is answered first, with where each run stands', async (_, type, members, selection) => {
    const feed = new Feed()
    feed.followed = [followed(RUN_ID, 4, 7, 1), followed(UNKNOWN_ID, 1, 0)]
    feed.beforeMany = (watch) => void watch.deliver([message(4)])
    const { connect } = await start(feed)
    const client = await connect()

    const frame = await subscribed(client, type, members)

    expect(feed.many[0]).toMatchObject({ selection, cursors: new Map() })
    expect(frame).toEqual({
      type: 'SUBSCRIBED',
      run_id: null,
      subscribed: {
        run_id: null,
        from: null,
        through: null,
        status: null,
        task_id: selection.kind === 'task' ? TASK_ID : null,
        tag_prefix: selection.kind === 'tag' ? 'eco' : null,
        runs: [
          { run_id: RUN_ID, from: 4, through: 7, status: 'RUN_STATUS_RUNNING' },
          { run_id: UNKNOWN_ID, from: 1, through: 0, status: 'RUN_STATUS_RUNNING' },
        ],
        pending_interactions: [expect.objectContaining({ id: INTERACTION_ID })],
        deltas: false,
        event_types: [],
      },
    })
    expect(await client.next()).toMatchObject({ type: 'RUN_EVENT', run_id: RUN_ID, sequence: 4 })
  })

  it('takes cursors, a filter and deltas', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    feed.followed = [followed(RUN_ID, 6, 9)]

    await subscribed(client, 'SUBSCRIBE_ALL', {
      cursors: { [RUN_ID.toUpperCase()]: '5' },
      run_subscription: { event_types: ['message'], deltas: true },
    })
    const [watch] = feed.many
    await watch?.deliver([anEvent(6, { log: { level: 'info', message: 'x' } }), message(7)])
    watch?.delta?.(RUN_ID, 1, { messageId: 'm', kind: 'text', text: 'he' })

    expect(watch?.cursors).toEqual(new Map([[RUN_ID, 5]]))
    expect(await client.untilPong()).toMatchObject([
      { type: 'RUN_EVENT', sequence: 7 },
      { type: 'DELTA', run_id: RUN_ID },
    ])
  })

  it('names the runs of its cursors that it does not follow', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    feed.followed = [followed(RUN_ID, 6, 9)]

    await subscribed(client, 'SUBSCRIBE', {
      run_subscription: { tag_prefix: 'eco', cursors: { [RUN_ID]: 5, [UNKNOWN_ID]: 2 } },
    })

    expect(await client.next()).toMatchObject({
      type: 'ERROR',
      run_id: UNKNOWN_ID,
      error: { code: 'NOT_FOUND_RUN', run_id: UNKNOWN_ID },
    })
  })

  it('is refused above 1 000 cursors, and the connection stays', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    const id = (index: number) => `01930000-0000-7000-8000-${String(index).padStart(12, '0')}`
    const cursors = Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [id(index), index]))

    client.send('SUBSCRIBE_ALL', { cursors })

    expect(await client.untilPong()).toMatchObject([
      { type: 'ERROR', run_id: null, error: { code: 'SUBSCRIPTION_TOO_WIDE' } },
    ])
    expect(feed.many).toHaveLength(0)
  })

  it('may start with 1 000 runs, in the original form with more', async () => {
    const { connect, feed } = await start()
    const client = await connect()

    await subscribed(client, 'SUBSCRIBE', { run_subscription: { tag_prefix: 'eco' } })
    await subscribed(client, 'SUBSCRIBE_ALL', { cursors: { [RUN_ID]: 1 } })
    client.sendText('{"type":"unsubscribe_all"}')
    client.sendText('{"type":"subscribe_all"}')
    await client.untilFrame('SUBSCRIBED')

    expect(feed.many.map(({ maxStart }) => maxStart)).toEqual([1000, 1000, 10_000])
  })

  it('that grows too wide ends with an error, the connection stays', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    await subscribed(client, 'SUBSCRIBE', { run_subscription: { tag_prefix: 'eco' } })

    feed.many[0]?.failed(new AppError('SUBSCRIPTION_TOO_WIDE', 'Too many.'))

    expect(await client.untilPong()).toMatchObject([
      { type: 'ERROR', error: { code: 'SUBSCRIPTION_TOO_WIDE' } },
    ])
    await subscribed(client, 'SUBSCRIBE', { run_subscription: { tag_prefix: 'eco' } })
  })

  it('whose log cannot be read sends the reader away', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    await subscribed(client, 'SUBSCRIBE_ALL')

    feed.many[0]?.failed(new Error('the log is away'))

    expect((await client.closed).code).toBe(1013)
  })

  it.each([
    ['task_id', TASK_ID],
    ['tag_prefix', 'eco'],
  ])('by %s ends with UNSUBSCRIBE, also while it is being opened', async (member, value) => {
    const feed = new Feed()
    const gate = Promise.withResolvers<void>()
    feed.beforeMany = () => gate.promise
    const { connect } = await start(feed)
    const client = await connect()

    client.send('SUBSCRIBE', { run_subscription: { [member]: value } })
    client.send('UNSUBSCRIBE', { run_subscription: { [member]: value } })
    expect(await client.untilPong()).toEqual([])
    gate.resolve()
    await feed.many[0]?.deliver([message(1)])

    expect(await client.untilPong()).toEqual([])
    expect(feed.closed).toBe(1)
  })

  it('ends with UNSUBSCRIBE_ALL', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    await subscribed(client, 'SUBSCRIBE_ALL')
    client.send('UNSUBSCRIBE_ALL')
    await client.untilPong()

    await feed.many[0]?.deliver([message(1)])

    expect(feed.closed).toBe(1)
    expect(await client.untilPong()).toEqual([])
  })

  it('to all, said twice in the original form, goes on as it is', async () => {
    const { connect, feed } = await start()
    const client = await connect()

    await subscribed(client, 'SUBSCRIBE_ALL')
    client.send('SUBSCRIBE_ALL')

    expect(await client.untilPong()).toEqual([])
    expect(feed.many).toHaveLength(1)
  })

  it('is one of ten at most', async () => {
    const { connect } = await start()
    const client = await connect()
    for (let index = 0; index < 10; index++)
      await subscribed(client, 'SUBSCRIBE', { run_subscription: { tag_prefix: `t${index}` } })

    client.send('SUBSCRIBE_ALL')

    expect(await client.untilPong()).toMatchObject([{ error: { code: 'SUBSCRIPTION_TOO_WIDE' } }])
  })
})

describe('what several subscriptions cover', () => {
  it('is told once, by the narrowest', async () => {
    const { connect, feed } = await start()
    const client = await connect()
    await subscribed(client, 'SUBSCRIBE_ALL')
    await subscribed(client, 'SUBSCRIBE', { run_subscription: { task_id: TASK_ID } })
    await subscribed(client, 'SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })
    const [all, task] = feed.many

    await all?.deliver([message(5)])
    await task?.deliver([message(5)])
    await feed.watches[0]?.deliver([message(5)])
    await all?.deliver([message(2, UNKNOWN_ID)])
    await task?.deliver([message(2, UNKNOWN_ID)])

    const frames = await client.untilPong()
    expect(frames.map(({ run_id, sequence }) => [run_id, sequence])).toEqual([
      [RUN_ID, 5],
      [UNKNOWN_ID, 2],
    ])
  })
})

describe('TASK_STATUS', () => {
  it('is told behind the status, once for each change, whatever the filter', async () => {
    const feed = new Feed()
    const states = { pending: 'queued', starting: 'running', running: 'running', failed: null } as const
    feed.taskOf = ({ payloadText }) => {
      const { new_status: now } = JSON.parse(payloadText).status
      const told = states[now as keyof typeof states]
      return told && { taskId: TASK_ID, status: told }
    }
    const { connect } = await start(feed)
    const client = await connect()
    await subscribed(client, 'SUBSCRIBE', { run_subscription: { run_id: RUN_ID, event_types: ['message'] } })

    await feed.watches[0]?.deliver([
      status(1, 'pending'),
      status(2, 'starting'),
      status(3, 'running'),
      status(4, 'failed'),
    ])

    const told = (await client.untilPong()).filter(({ type }) => type === 'TASK_STATUS')
    expect(told).toEqual([
      {
        type: 'TASK_STATUS',
        run_id: RUN_ID,
        sequence: 1,
        task_status: { task_id: TASK_ID, status: 'TASK_STATUS_QUEUED' },
      },
      {
        type: 'TASK_STATUS',
        run_id: RUN_ID,
        sequence: 2,
        task_status: { task_id: TASK_ID, status: 'TASK_STATUS_RUNNING' },
      },
    ])
  })
})
