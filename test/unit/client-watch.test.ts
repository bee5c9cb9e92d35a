/** What the watches of the client library are made of, and what they do with connections that lie. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { type WebSocket as ServerSocket, WebSocketServer } from 'ws'
import { createClient, type RunEvent } from '../../api/client/index.ts'
import { Follow } from '../../api/client/watch/follow.ts'
import { Inbox } from '../../api/client/watch/inbox.ts'

const RUN = '0199f0a0-0000-7000-8000-000000000001'

const event = (sequence: number, status?: string) =>
  ({
    id: `e${sequence}`,
    run_id: RUN,
    sequence,
    event_type: 'RUN_EVENT_TYPE_STATUS',
    timestamp: '2026-01-01T00:00:00.000Z',
    turn: 1,
    attempt: 1,
    synthetic: false,
    ...(status === undefined
      ? { log: { level: 'info', message: 'x' } }
      : { status: { old_status: null, new_status: status, reason: null } }),
  }) as RunEvent

describe('Follow', () => {
  test('takes what is next, and only that', () => {
    const follow = new Follow(3, 'terminal')
    expect([4, 4, 3, 6, 5].map((sequence) => follow.take(event(sequence)))).toEqual([
      'fresh',
      'repeat',
      'repeat',
      'gap',
      'fresh',
    ])
    expect(follow.cursor).toBe(5)
  })

  test('does not take the end of an earlier turn for the end', () => {
    const follow = new Follow(0, 'terminal')
    follow.attached(3, 'RUN_STATUS_COMPLETE')
    follow.take(event(1, 'complete'))
    expect(follow.isOver).toBe(false)
    follow.take(event(2, 'pending'))
    follow.take(event(3, 'complete'))
    expect(follow.isOver).toBe(true)
  })

  test('believes the status at the attach only where there is nothing to read', () => {
    const behind = new Follow(0, 'terminal')
    behind.attached(2, 'RUN_STATUS_COMPLETE')
    expect(behind.isOver).toBe(false)
    const atTheEnd = new Follow(2, 'terminal')
    atTheEnd.attached(2, 'RUN_STATUS_COMPLETE')
    expect(atTheEnd.isOver).toBe(true)
  })

  test.each([
    ['terminal', false],
    ['turn_end', true],
    ['never', false],
  ] as const)('until %s with a run that waits for review: %s', (until, isOver) => {
    const follow = new Follow(0, until)
    follow.take(event(1, 'needs_review'))
    expect(follow.isOver).toBe(isOver)
  })
})

describe('Inbox', () => {
  test('keeps the order, holds at most its limit, and says when there is room again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.array(fc.boolean()), async (limit, steps) => {
        let drained = 0
        const inbox = new Inbox<number>(limit, () => {
          drained += 1
        })
        const held: number[] = []
        let refused = 0
        for (const [index, isPush] of steps.entries()) {
          if (isPush) {
            const taken = inbox.push(index)
            expect(taken).toBe(held.length < limit)
            if (taken) held.push(index)
            else refused += 1
          } else if (held.length > 0) expect(await inbox.take()).toBe(held.shift())
        }
        expect(drained).toBeLessThanOrEqual(refused)
        inbox.end()
        for (const item of held) expect(await inbox.take()).toBe(item)
        expect(await inbox.take()).toBeNull()
      }),
    )
  })
})

const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

/** A service that serves only the WebSocket; `subscribed` is called with the cursor of each subscription. */
async function serveSockets(
  subscribed: (socket: ServerSocket, after: number, connection: number) => void,
): Promise<{ baseUrl: string; connections: () => number }> {
  const http = createServer((_, response) => response.writeHead(503).end())
  const sockets = new WebSocketServer({ server: http, path: '/api/v1/ws', autoPong: false })
  let connections = 0
  sockets.on('connection', (socket) => {
    connections += 1
    const connection = connections
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString())
      if (!message.type.endsWith('_TYPE_SUBSCRIBE')) return
      subscribed(socket, message.run_subscription.after_sequence, connection)
    })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  open.push(async () => {
    for (const socket of sockets.clients) socket.terminate()
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  })
  return {
    baseUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    connections: () => connections,
  }
}

const tell = (socket: ServerSocket, through: number, ...events: RunEvent[]) => {
  const subscribed = { run_id: RUN, through, status: 'RUN_STATUS_RUNNING' }
  socket.send(JSON.stringify({ type: 'SUBSCRIBED', run_id: RUN, subscribed }))
  for (const run_event of events) socket.send(JSON.stringify({ type: 'RUN_EVENT', run_id: RUN, run_event }))
}

const sequences = async (events: AsyncIterable<RunEvent>) =>
  (await Array.fromAsync(events)).map(({ sequence }) => sequence)

const QUICK = { attempts: 1, baseMs: 1, maxMs: 1 }

describe('a watch', () => {
  test('notices a half-open connection and goes on over a new one', async () => {
    const { baseUrl, connections } = await serveSockets((socket, after, connection) => {
      // The first one says two events and then nothing any more, not even that it is gone.
      if (connection === 1) tell(socket, 2, event(1), event(2))
      else tell(socket, after, event(after + 1, 'complete'))
    })
    const timing = { pingAfterMs: 30, pongWithinMs: 30 }
    const client = createClient({ baseUrl, timing })
    expect(await sequences(client.runs.watch(RUN))).toEqual([1, 2, 3])
    expect(connections()).toBe(2)
  })

  test('drops repeats, and reads again what is missing', async () => {
    const { baseUrl } = await serveSockets((socket, after, connection) => {
      if (connection === 1) tell(socket, 4, event(1), event(1), event(2), event(4, 'complete'))
      else tell(socket, 4, event(after + 1), event(after + 2, 'complete'))
    })
    expect(await sequences(createClient({ baseUrl }).runs.watch(RUN))).toEqual([1, 2, 3, 4])
  })

  test('says so when an event is gone for good', async () => {
    const { baseUrl } = await serveSockets((socket) => tell(socket, 9, event(9)))
    await expect(sequences(createClient({ baseUrl }).runs.watch(RUN))).rejects.toThrow(
      'has no event 1 any more',
    )
  })

  test.each([
    [
      'an error frame',
      (socket: ServerSocket) => socket.send('{"error":{"code":"NOT_FOUND_RUN","message":"no"}}'),
    ],
    ['a final close', (socket: ServerSocket) => socket.close(4404)],
  ])('ends with what cannot be mended: %s', async (_, refuse) => {
    const { baseUrl } = await serveSockets(refuse)
    const watching = sequences(createClient({ baseUrl }).runs.watch(RUN))
    await expect(watching).rejects.toMatchObject({ name: 'ApiError', code: 'NOT_FOUND_RUN' })
  })

  test('loses patience with a service that stays away, and says where it stands', async () => {
    const { baseUrl } = await serveSockets((socket, after) => {
      if (after === 0) tell(socket, 1, event(1))
      socket.close(1013)
    })
    const client = createClient({ baseUrl, retry: QUICK })
    const seen: number[] = []
    const watching = (async () => {
      for await (const { sequence } of client.runs.watch(RUN, { patienceMs: 200 })) seen.push(sequence)
    })()
    await expect(watching).rejects.toThrow('stands after event 1')
    expect(seen).toEqual([1])
  })

  test('takes a service that cannot at present for one that will, by long poll too', async () => {
    const { baseUrl } = await serveSockets(() => undefined) // plain requests are answered with 503
    const watching = sequences(
      createClient({ baseUrl, retry: QUICK, WebSocket: null }).runs.watch(RUN, { patienceMs: 200 }),
    )
    await expect(watching).rejects.toThrow('stands after event 0')
  })
})
