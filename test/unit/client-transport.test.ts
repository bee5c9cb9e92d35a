/** Requests of the client library against a real HTTP server that behaves badly. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { secondsOf } from '../../api/client/errors.ts'
import { ApiError, createClient, UnreachableError } from '../../api/client/index.ts'
import { newKey } from '../../api/client/unique.ts'

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void

const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

async function serve(handler: Handler): Promise<{ baseUrl: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    request.resume()
    requests.push(request)
    handler(request, response, requests.length)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

const json = (response: ServerResponse, status: number, body: object, headers = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

const QUICK = { baseMs: 1, maxMs: 5 }
const RUN_ID = '0199f0a0-0000-7000-8000-000000000001'

describe('a request', () => {
  test('that fails in passing is sent again, with the same key', async () => {
    const { baseUrl, requests } = await serve((_, response, count) => {
      if (count === 1) response.destroy()
      else if (count === 2) json(response, 503, { code: 'DRAINING', message: 'stopping', retryable: true })
      else json(response, 201, { run: { id: RUN_ID } })
    })
    const client = createClient({ baseUrl, retry: QUICK, token: 'secret' })

    const run = await client.runs.create({ task_id: RUN_ID })

    expect(run.id).toBe(RUN_ID)
    const keys = requests.map(({ headers }) => headers['idempotency-key'])
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
    expect(new Set(keys).size).toBe(1)
    expect(requests.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill('Bearer secret'))
  })

  test('waits as long as Retry-After says, and no longer than it may', async () => {
    const { baseUrl, requests } = await serve((_, response, count) => {
      if (count === 1) json(response, 429, {}, { 'retry-after': '1' })
      else json(response, 429, { code: 'RATE_LIMIT' }, { 'retry-after': '3600' })
    })
    const started = performance.now()

    const refused = await createClient({ baseUrl, retry: QUICK })
      .runs.get(RUN_ID)
      .catch((error) => error)

    expect(performance.now() - started).toBeGreaterThan(990)
    expect(refused).toMatchObject({ code: 'RATE_LIMIT', status: 429, retryAfter: 3600 })
    expect(requests.length).toBe(2)
  })

  test.each([
    ['a mistake of the caller', 400],
    ['a state that forbids it', 409],
    ['a bug of the service', 500],
  ])('is not sent again after %s', async (_, status) => {
    const problem = {
      code: 'SOME_CODE',
      message: 'no: because',
      recovery: 'fix_input',
      retryable: false,
      request_id: 'r-1',
      errors: [{ field: 'task.title', rule: 'required', message: 'is required' }],
      conflicts: ['a'],
    }
    const { baseUrl, requests } = await serve((__, response) => void json(response, status, problem))

    const error = await createClient({ baseUrl, retry: QUICK })
      .runs.stop(RUN_ID)
      .catch((caught) => caught)

    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({
      code: 'SOME_CODE',
      status,
      message: 'no: because',
      recovery: 'fix_input',
      retryable: false,
      requestId: 'r-1',
      errors: problem.errors,
    })
    expect(error.problem['conflicts']).toEqual(['a'])
    expect(requests.length).toBe(1)
  })

  test('that would do something twice without a key is not sent again', async () => {
    const { baseUrl, requests } = await serve((_, response) => response.destroy())
    const client = createClient({ baseUrl, retry: QUICK })
    await expect(client.runs.delete(RUN_ID)).rejects.toThrow(UnreachableError)
    await expect(client.runs.editInput(RUN_ID, RUN_ID, 'x')).rejects.toThrow(UnreachableError)
    expect(requests.length).toBe(2)
  })

  test('gives up after its tries, and says who did not answer', async () => {
    const { baseUrl, requests } = await serve((_, response) => response.destroy())
    const client = createClient({ baseUrl, retry: { ...QUICK, attempts: 3 } })
    await expect(client.health.get()).rejects.toThrow(`${baseUrl} cannot be reached`)
    expect(requests.length).toBe(3)
  })

  test('has a deadline, also for a body that stands still', async () => {
    const { baseUrl } = await serve((_, response) => response.writeHead(200).write('{"run":'))
    const client = createClient({ baseUrl, retry: { attempts: 1 } })
    await expect(client.runs.get(RUN_ID, { timeoutMs: 50 })).rejects.toThrow('no answer in time')
  })

  test('is broken off by its signal, while it waits for the next try too', async () => {
    const { baseUrl } = await serve((_, response, count) => {
      if (count === 1) json(response, 503, {}, { 'retry-after': '20' })
      abort.abort(new Error('changed my mind'))
    })
    const abort = new AbortController()
    const asked = createClient({ baseUrl }).runs.get(RUN_ID, { signal: abort.signal })
    await expect(asked).rejects.toThrow('changed my mind')
  })

  test('of the health answers with the report of an unhealthy service', async () => {
    const { baseUrl } = await serve(
      (_, response) => void json(response, 503, { status: 'HEALTH_STATUS_UNHEALTHY' }),
    )
    expect(await createClient({ baseUrl }).health.get()).toEqual({ status: 'HEALTH_STATUS_UNHEALTHY' })
  })

  test('with an answer from somebody else says the status', async () => {
    const { baseUrl } = await serve((_, response) => response.writeHead(418).end('<html>'))
    const error = await createClient({ baseUrl })
      .runs.get(RUN_ID)
      .catch((caught) => caught)
    expect(error).toMatchObject({ code: 'UNKNOWN', status: 418, message: 'the answer was HTTP 418' })
  })
})

describe('an address', () => {
  test('cannot be left by an id', async () => {
    const { baseUrl, requests } = await serve((_, response) => void json(response, 200, { run: {} }))
    const client = createClient({ baseUrl: `${baseUrl}/prefix/` })
    await client.runs.get('a/../b?c#d')
    expect(requests[0]?.url).toBe('/prefix/api/v1/runs/a%2F..%2Fb%3Fc%23d')
    await expect(async () => client.runs.get('..')).rejects.toThrow('is no id')
    await expect(async () => client.runs.get('')).rejects.toThrow('is no id')
  })

  test.each(['', 'localhost:8080', 'ftp://x', 'nonsense'])('%j is refused', (baseUrl) => {
    expect(() => createClient({ baseUrl })).toThrow(TypeError)
  })
})

test('Retry-After is read as seconds or as a date', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  expect(secondsOf('7')).toBe(7)
  expect(secondsOf('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30)
  expect(secondsOf('Wed, 31 Dec 2025 00:00:30 GMT', now)).toBe(0)
  expect(secondsOf('soon')).toBeNull()
  expect(secondsOf(null)).toBeNull()
})

test('keys differ', () => {
  expect(newKey()).not.toBe(newKey())
})
