import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { sendRaw, statusAndCode } from '../support/raw-http.ts'

let app: Awaited<ReturnType<typeof buildServer>>
let port: number
beforeAll(async () => {
  app = await buildServer(apiDeps().deps)
  port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
})
afterAll(() => app.close())

const OFFER = 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='

test.each([
  ['of a page', 'GET /api/v1/ws', 'Origin: null', 403, 'POLICY_ORIGIN_DENIED'],
  ['to another host', 'GET /api/v1/ws', 'Host: evil.example', 403, 'POLICY_HOST_DENIED'],
  ['with an unknown parameter', 'GET /api/v1/ws?x=1', 'X: y', 400, 'VALIDATION_UNKNOWN_FIELD'],
])('an upgrade %s is refused, and its connection ends', async (_, line, header, status, code) => {
  const host = header.startsWith('Host') ? '' : 'Host: localhost\r\n'

  const answer = await sendRaw(
    port,
    `${line} HTTP/1.1\r\n${host}${header}\r\nConnection: Upgrade\r\n${OFFER}\r\n\r\n`,
  )

  expect(statusAndCode(answer)).toEqual([status, code])
})

test.each([
  ['GET /api/v1/runs', OFFER, 200],
  ['GET /api/v1/runs', 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA', 200],
  ['POST /api/v1/runs', OFFER, 400],
  ['GET /nothing', OFFER, 404],
])('%s, offering %j, is answered as if it had not', async (line, offer, status) => {
  const answer = await sendRaw(
    port,
    `${line} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\n${offer}\r\n\r\n`,
  )

  expect(statusAndCode(answer)[0]).toBe(status)
})
