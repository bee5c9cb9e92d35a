import { afterEach, describe, expect, it } from 'vitest'
import { RUN_ID, UNKNOWN_ID } from '../support/api-values.ts'
import { Feed, serve } from '../support/api-websocket.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

const start = (feed?: Feed) => serve(cleanups, feed)

describe('a message that cannot be followed', () => {
  const TYPE = 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_'
  const SUBSCRIBE = `${TYPE}SUBSCRIBE`
  it.each([
    ['nonsense', 'VALIDATION_FORMAT'],
    ['[]', 'VALIDATION_FORMAT'],
    ['{}', 'VALIDATION_FORMAT'],
    ['{"type":"dance"}', 'VALIDATION_FORMAT'],
    [`{"type":"${SUBSCRIBE}"}`, 'VALIDATION_FORMAT'],
    [`{"type":"${SUBSCRIBE}","run_subscription":{"run_id":"x"}}`, 'NOT_FOUND_RUN'],
    [
      `{"type":"${SUBSCRIBE}","run_subscription":{"run_id":"${RUN_ID}","speed":1}}`,
      'VALIDATION_UNKNOWN_FIELD',
    ],
    [
      `{"type":"${SUBSCRIBE}","run_subscription":{"run_id":"${RUN_ID}","event_types":["x"]}}`,
      'VALIDATION_FIELD',
    ],
    [`{"type":"${SUBSCRIBE}","run_subscription":{"task_id":"x"}}`, 'NOT_FOUND_TASK'],
    [`{"type":"${SUBSCRIBE}","run_subscription":{"taskId":"${UNKNOWN_ID}"}}`, 'NOT_FOUND_TASK'],
    [
      `{"type":"${SUBSCRIBE}","run_subscription":{"run_id":"${RUN_ID}","tag_prefix":"x"}}`,
      'VALIDATION_CONFLICT',
    ],
    [
      `{"type":"${SUBSCRIBE}","run_subscription":{"tag_prefix":"x","after_sequence":3}}`,
      'VALIDATION_CONFLICT',
    ],
    [
      `{"type":"${SUBSCRIBE}","run_subscription":{"run_id":"${RUN_ID}"},"cursors":{"${RUN_ID}":3}}`,
      'VALIDATION_CONFLICT',
    ],
    [`{"type":"${SUBSCRIBE}_ALL","run_subscription":{"run_id":"${RUN_ID}"}}`, 'VALIDATION_CONFLICT'],
    [`{"type":"${SUBSCRIBE}_ALL","run_subscription":{"cursors":{}},"cursors":{}}`, 'VALIDATION_CONFLICT'],
    [`{"type":"${SUBSCRIBE}_ALL","cursors":{"${RUN_ID}":-1}}`, 'VALIDATION_FIELD'],
    [`{"type":"${SUBSCRIBE}_ALL","cursors":{"x":1}}`, 'VALIDATION_FIELD'],
    [`{"type":"${SUBSCRIBE}_ALL","run_subscription":{"speed":1}}`, 'VALIDATION_UNKNOWN_FIELD'],
    [`{"type":"${TYPE}UNSUBSCRIBE","run_subscription":{}}`, 'VALIDATION_FORMAT'],
    [`{"type":"${TYPE}AUTHENTICATE","token":"secret-token-1"}`, 'AUTHENTICATION_OFF'],
  ])('%s is answered with %s', async (text, code) => {
    const { connect } = await start()
    const client = await connect()

    client.sendText(text)

    const frame = await client.next()
    expect(frame).toMatchObject({ type: 'ERROR', error: { code, message: expect.any(String) } })
    expect(JSON.stringify(frame)).not.toContain('secret-token-1')
    expect(await client.untilPong()).toEqual([])
  })

  it('names the run that is not there', async () => {
    const { connect } = await start()
    const client = await connect()

    client.send('SUBSCRIBE', { run_subscription: { run_id: UNKNOWN_ID } })

    expect(await client.next()).toEqual({
      type: 'ERROR',
      run_id: UNKNOWN_ID,
      error: { code: 'NOT_FOUND_RUN', message: `There is no run ${UNKNOWN_ID}.`, run_id: UNKNOWN_ID },
    })
  })

  it('above 128 KiB ends the connection with 1009', async () => {
    const { connect } = await start()
    const client = await connect()

    client.sendText('x'.repeat(128 * 1024 + 1))

    expect((await client.closed).code).toBe(1009)
  })

  it('keeps a connection to 100 subscriptions on their way', async () => {
    const feed = new Feed()
    feed.before = () => new Promise(() => undefined)
    const { connect } = await start(feed)
    const client = await connect()

    for (let index = 0; index <= 100; index++)
      client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })

    expect(await client.untilPong()).toMatchObject([
      { type: 'ERROR', error: { code: 'SUBSCRIPTION_TOO_WIDE' } },
    ])
    expect(feed.watches).toHaveLength(100)
  })

  it('keeps a connection to 100 runs', async () => {
    const feed = new Feed()
    feed.before = () => new Promise(() => undefined)
    const { connect } = await start(feed)
    const client = await connect()

    for (let index = 0; index <= 100; index++) {
      const run_id = `01930000-0000-7000-8000-${String(index).padStart(12, '0')}`
      client.send('SUBSCRIBE', { run_subscription: { run_id } })
    }

    expect(await client.untilPong()).toMatchObject([
      { type: 'ERROR', error: { code: 'SUBSCRIPTION_TOO_WIDE' } },
    ])
    expect(feed.watches).toHaveLength(100)
  })
})
