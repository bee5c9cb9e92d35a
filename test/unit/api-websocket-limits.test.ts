import { createServer } from 'node:http'
import { afterEach, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { EventUseCases } from '../../api/deps.ts'
import { SOCKET_LIMITS, type SocketLimits } from '../../api/limits.ts'
import { Session } from '../../api/ws/session.ts'
import { apiDeps } from '../support/api-deps.ts'
import { anEvent, RUN_ID } from '../support/api-values.ts'

type Watch = Parameters<EventUseCases['subscribe']>[0]

const cleanups: (() => unknown)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean()
})

/** One session with short times; the client answers pings only where it may. */
async function session(limits: Partial<SocketLimits>, autoPong = true) {
  const watch = Promise.withResolvers<Watch>()
  const events: EventUseCases = {
    ...apiDeps().deps.events,
    subscribe: async (asked) => {
      watch.resolve(asked)
      return { from: 1, through: 0, status: 'running', close: () => undefined }
    },
  }
  const http = createServer()
  const server = new WebSocketServer({ server: http })
  server.on('connection', (socket) => {
    new Session(socket, { ...apiDeps().deps, events, limits: { ...SOCKET_LIMITS, ...limits } })
  })
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve)
  })
  const address = http.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const client = new WebSocket(`ws://127.0.0.1:${port}`, { autoPong })
  cleanups.push(
    () => server.close(),
    () => http.closeAllConnections(),
    () => http.close(),
    () => client.terminate(),
  )
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    client.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
  })
  await new Promise((resolve) => {
    client.once('open', resolve)
  })
  return { client, closed, watch: watch.promise }
}

const subscribe = JSON.stringify({
  type: 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_SUBSCRIBE',
  run_subscription: { run_id: RUN_ID },
})

it('a reader that takes nothing for too long is closed with 1013 and the last number that went out', async () => {
  const { client, closed, watch } = await session({ stallMs: 200 })
  client.send(subscribe)
  const { deliver } = await watch
  const big = 'x'.repeat(1_000_000)
  const events = Array.from({ length: 30 }, (_, index) =>
    anEvent(index + 1, { message: { role: 'assistant', content: big } }),
  )

  client.pause()
  // Resolves when the server has given up: nobody is left waiting.
  await deliver(events)
  client.resume()

  const { code, reason } = await closed
  expect(code).toBe(1013)
  expect(reason).toMatch(/^sequence=([1-9]|1\d|2\d)$/)
})

it('a connection that answers no ping is dropped after two', async () => {
  const { client, closed } = await session({ pingMs: 20 }, false)
  let pings = 0
  client.on('ping', () => {
    pings += 1
  })

  expect((await closed).code).toBe(1006)
  expect(pings).toBe(2)
})

it('a connection that answers is kept', async () => {
  const { client, closed } = await session({ pingMs: 10 })
  let pings = 0

  await new Promise<void>((resolve) => {
    client.on('ping', () => {
      pings += 1
      if (pings === 6) resolve()
    })
  })

  client.close(1000)
  expect((await closed).code).toBe(1000)
})

it('a client that asks without reading is sent away', async () => {
  const { client, closed, watch } = await session({ bufferedBytes: 1000 })
  client.send(subscribe)
  const { deliver } = await watch
  const huge = anEvent(1, { message: { role: 'assistant', content: 'x'.repeat(20_000_000) } })

  client.pause()
  const delivered = deliver([huge])
  client.send(JSON.stringify({ type: 'ping' }))
  // Resolves when the server has given up: nobody is left waiting.
  await delivered
  client.resume()

  expect(await closed).toEqual({ code: 1013, reason: 'sequence=0' })
})
