import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { SOCKET_LIMITS, SOCKET_MESSAGE_RATE } from '../../api/limits.ts'
import { serve } from '../support/api-websocket.ts'

const cleanups: (() => unknown)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean()
})

const PING = JSON.stringify({ type: 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_PING' })

/** Sends that many pings in one go, and keeps the types of what comes back. */
async function ping(times: number) {
  const { url } = await serve(cleanups)
  const socket = new WebSocket(url)
  cleanups.push(() => socket.terminate())
  const types: string[] = []
  socket.on('message', (data: Buffer) => types.push(JSON.parse(data.toString()).type.split('_TYPE_')[1]))
  await once(socket, 'open')
  for (let n = 0; n < times; n += 1) socket.send(PING)
  return { socket, types, pongs: () => types.filter((type) => type === 'PONG').length }
}

test('a burst of as many messages as a client may need at its start is taken', async () => {
  expect(SOCKET_MESSAGE_RATE.burst).toBeGreaterThan(2 * SOCKET_LIMITS.subscriptions)
  const { socket, types, pongs } = await ping(SOCKET_MESSAGE_RATE.burst)

  await expect.poll(pongs).toBe(SOCKET_MESSAGE_RATE.burst)
  expect(types).not.toContain('ERROR')
  expect(socket.readyState).toBe(WebSocket.OPEN)
})

test('a client that goes on without end is told so, and nothing more of it is looked at', async () => {
  const { socket, types, pongs } = await ping(20_000)

  const [code, reason] = await once(socket, 'close')

  expect([code, String(reason)]).toEqual([1013, 'RATE_LIMITED'])
  expect(types.filter((type) => type === 'ERROR')).toHaveLength(1)
  expect(pongs()).toBeGreaterThanOrEqual(SOCKET_MESSAGE_RATE.burst)
  expect(pongs()).toBeLessThan(2000)
})
