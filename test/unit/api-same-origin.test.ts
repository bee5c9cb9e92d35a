/** The service without keys against pages in a browser of this machine, and against names that lead here. */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { RUN_ID } from '../support/api-values.ts'
import { sendRaw, statusAndCode } from '../support/raw-http.ts'

let app: Awaited<ReturnType<typeof buildServer>>
let port: number
const { deps, asked } = apiDeps()
beforeAll(async () => {
  app = await buildServer(deps)
  port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
})
afterAll(() => app.close())

const get = async (headers: Record<string, string>, url = '/api/v1/runs') => {
  const answer = await app.inject({ method: 'GET', url, headers })
  return [answer.statusCode, answer.json().code ?? null]
}

describe('a service without keys', () => {
  test.each([
    [{ host: 'localhost:8080' }],
    [{ host: 'LOCALHOST:8080' }],
    [{ host: '127.0.0.1:1234' }],
    [{ host: '127.8.9.255' }],
    [{ host: '[::1]:8080' }],
    [{ host: '[::ffff:127.0.0.1]:8080' }],
    [{ host: '[::ffff:7f00:1]:8080' }],
    [{ host: 'localhost:8080', origin: 'http://localhost:8080' }],
    [{ host: 'LocalHost:8080', origin: 'http://localhost:8080' }],
    [{ host: 'localhost:80', origin: 'http://localhost' }],
    [{ host: '[::1]:8080', origin: 'http://[::1]:8080' }],
    [{ host: 'localhost:8080', 'sec-fetch-site': 'same-origin' }],
    [{ host: 'localhost:8080', 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }],
  ])('answers %j', async (headers) => expect(await get(headers)).toEqual([200, null]))

  test.each([
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'evil.example:8080',
    'localhost.',
    '127.0.0.1.',
    'a.localhost',
    '0.0.0.0:8080',
    '[::]:8080',
    '10.0.0.1',
    '127.1',
    '0x7f.0.0.1',
    '2130706433',
    '127.0.0.256',
    '[::ffff:10.0.0.1]',
    '[::2]',
    '::1',
    'localhost@evil.example',
    'evil.example@localhost',
    'localhost/evil.example',
    'localhost#evil.example',
    'localhost?evil.example',
    'localhost\\evil.example',
    'localhost:99999',
    'localhost:',
    'localhost localhost',
  ])('is not called %j', async (host) => expect(await get({ host })).toEqual([403, 'POLICY_HOST_DENIED']))

  test.each([
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ origin: '' }],
    [{ origin: 'http://localhost:9999' }],
    [{ origin: 'http://127.0.0.1:8080' }],
    [{ origin: 'http://localhost:8080, https://evil.example' }],
    [{ origin: 'https://localhost:8080.evil.example' }],
    [{ origin: 'file://' }],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    [{ origin: 'null', 'sec-fetch-site': 'same-origin' }],
  ])('refuses pages with %j', async (headers) =>
    expect(await get({ host: 'localhost:8080', ...headers })).toEqual([403, 'POLICY_ORIGIN_DENIED']),
  )

  test('may be linked to where it only shows something', async () => {
    const link = { host: 'localhost:8080', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }
    const page = { ...link, 'sec-fetch-dest': 'document' }

    expect(await get(page, '/health')).toEqual([200, null])
    expect(await get(page, '/api/v1/openapi.json')).toEqual([200, null])
    expect(await get({ ...link, 'sec-fetch-dest': 'iframe' }, '/health')).toEqual([
      403,
      'POLICY_ORIGIN_DENIED',
    ])
  })
})

describe('on the wire', () => {
  const send = async (...lines: string[]) =>
    statusAndCode(await sendRaw(port, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`))

  test.each([
    [[400, null], ['GET /api/v1/runs HTTP/1.1']],
    [[403, 'POLICY_HOST_DENIED'], ['GET /api/v1/runs HTTP/1.0']],
    [
      [403, 'POLICY_HOST_DENIED'],
      ['GET /api/v1/runs HTTP/1.1', 'Host:'],
    ],
    [
      [403, 'POLICY_HOST_DENIED'],
      ['GET /api/v1/runs HTTP/1.1', 'Host: localhost', 'Host: evil.example'],
    ],
    [
      [403, 'POLICY_HOST_DENIED'],
      ['GET /api/v1/runs HTTP/1.1', 'Host: localhost', 'host: localhost'],
    ],
    [
      [403, 'POLICY_HOST_DENIED'],
      ['GET http://evil.example/api/v1/runs HTTP/1.1', 'Host: localhost'],
    ],
    [
      [403, 'POLICY_HOST_DENIED'],
      ['GET http://localhost@evil.example/api/v1/runs HTTP/1.1', 'Host: localhost'],
    ],
    [
      [403, 'POLICY_HOST_DENIED'],
      ['GET http://localhost:9/api/v1/runs HTTP/1.1', 'Host: localhost'],
    ],
    [
      [403, 'POLICY_ORIGIN_DENIED'],
      [
        'GET /api/v1/runs HTTP/1.1',
        'Host: localhost',
        'Origin: http://localhost',
        'Origin: https://evil.example',
      ],
    ],
    [
      [200, null],
      ['GET http://localhost/api/v1/runs HTTP/1.1', 'Host: localhost'],
    ],
    [
      [200, null],
      ['GET /api/v1/runs HTTP/1.0', 'Host: localhost'],
    ],
  ] as const)('%j: %j', async (expected, lines) => expect(await send(...lines)).toEqual(expected))

  test.each([
    [{ 'content-type': 'text/plain' }, 415],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, 415],
    [{ 'content-type': 'multipart/form-data; boundary=x' }, 415],
    [{ 'content-type': 'text/plain; application/json' }, 415],
    [{}, 415],
    [{ 'content-type': 'application/json', origin: 'https://evil.example' }, 403],
    [{ 'content-type': 'text/plain', origin: 'https://evil.example' }, 403],
    [{ 'content-type': 'text/plain', origin: 'null' }, 403],
    [{ 'content-type': 'text/plain', 'sec-fetch-site': 'cross-site' }, 403],
  ])('what a page may send without asking, %j, does nothing: %i', async (headers, status) => {
    delete asked.reject
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/runs/${RUN_ID}/reject`, {
      method: 'POST',
      headers,
      body: new TextEncoder().encode('{"actor": "mallory"}'),
    })

    expect(answer.status).toBe(status)
    expect(asked.reject).toBeUndefined()
  })

  test.each([
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ host: 'evil.example' }],
    [{ 'sec-fetch-site': 'cross-site' }],
  ])('a WebSocket with %j is refused before it is one', async (headers: Record<string, string>) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/api/v1/ws`, { headers })
    const [, response] = await once(socket, 'unexpected-response')

    expect(response.statusCode).toBe(403)
    socket.on('error', () => undefined) // it was never opened
    socket.terminate()
  })

  test('a WebSocket of our own page, or of no page, opens', async () => {
    for (const headers of [{}, { origin: `http://127.0.0.1:${port}` }]) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/api/v1/ws`, { headers })
      await once(socket, 'open')
      socket.terminate()
    }
  })
})

describe('no answer', () => {
  const all = [
    [
      'OPTIONS',
      '/api/v1/runs',
      { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
      403,
    ],
    ['OPTIONS', '/api/v1/runs', {}, 204],
    ['OPTIONS', '/nothing', {}, 404],
    ['GET', '/api/v1/runs', { origin: 'http://localhost:80' }, 200],
    ['GET', '/nothing', {}, 404],
    ['POST', '/api/v1/runs', {}, 400],
  ] as const

  test.each(all)('lets another origin read: %s %s %j', async (method, url, headers, status) => {
    const answer = await app.inject({ method, url, headers: { host: 'localhost:80', ...headers } })

    expect(answer.statusCode).toBe(status)
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
    expect(answer.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
    })
  })

  test('to OPTIONS says more than which methods there are', async () => {
    const answer = await app.inject({ method: 'OPTIONS', url: '/api/v1/runs' })

    expect(answer.headers['allow']).toBe('GET, HEAD, POST')
    expect(answer.body).toBe('')
  })
})
