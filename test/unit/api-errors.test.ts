import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { problemSchema } from '../../api/schemas/problem.ts'
import { buildServer } from '../../api/server.ts'
import { AppError, ERRORS } from '../../internal/errors.ts'
import { apiDeps, LIMITS } from '../support/api-deps.ts'
import { aRun, RUN_ID } from '../support/api-values.ts'

type App = Awaited<ReturnType<typeof buildServer>>
let app: App
const extra: App[] = []
beforeAll(async () => {
  app = await buildServer(apiDeps({ limits: { ...LIMITS, bodyBytes: 2000 } }).deps)
})
afterEach(async () => {
  for (const other of extra.splice(0)) await other.close()
})
afterAll(() => app.close())

/** A server whose runs cannot be read. */
async function failing(error: unknown, asAppError = (thrown: unknown) => thrown): Promise<App> {
  const { deps } = apiDeps()
  const get = async () => {
    throw error
  }
  const other = await buildServer({ ...deps, asAppError, runs: { ...deps.runs, get } })
  extra.push(other)
  return other
}

describe('error documents', () => {
  it('say what, where, why and what to do', async () => {
    const other = await failing(
      new AppError('STATE_CONFLICT', 'The project has moved on.', {
        extra: { conflicts: [{ path: 'a' }], status: 1 },
      }),
    )

    const response = await other.inject({
      url: `/api/v1/runs/${RUN_ID}`,
      headers: { 'x-request-id': 'abc-1.2_3' },
    })

    expect(response.statusCode).toBe(409)
    expect(response.headers).toMatchObject({
      'content-type': 'application/problem+json; charset=utf-8',
      'x-request-id': 'abc-1.2_3',
      'x-retryable': 'false',
      'cache-control': 'no-store',
    })
    expect(response.json()).toEqual({
      type: 'urn:agent-manager:error:state_conflict',
      title: ERRORS.STATE_CONFLICT.title,
      status: 409,
      detail: 'The project has moved on.',
      instance: 'urn:agent-manager:request:abc-1.2_3',
      code: 'STATE_CONFLICT',
      message: 'The project has moved on.',
      user_message: 'The project has moved on.',
      recovery: 'fix_input',
      retryable: false,
      request_id: 'abc-1.2_3',
      errors: [],
      conflicts: [{ path: 'a' }],
    })
    expect(problemSchema.parse(response.json())).toEqual(response.json())
  })

  it.each([
    ['DATABASE_CONNECTION', '5'],
    ['STATE_IDEMPOTENCY_IN_FLIGHT', '1'],
  ] as const)('of %s say when to come back', async (code, seconds) => {
    const other = await failing(new AppError(code, 'Later.'))

    const response = await other.inject(`/api/v1/runs/${RUN_ID}`)

    expect(response.headers).toMatchObject({ 'retry-after': seconds, 'x-retryable': 'true' })
  })

  it('of unknown failures tell nothing but the request id', async () => {
    const other = await failing(new Error('password=hunter2'))

    const response = await other.inject(`/api/v1/runs/${RUN_ID}`)

    expect(response.statusCode).toBe(500)
    expect(response.body).not.toContain('hunter2')
    expect(response.json()).toMatchObject({ code: 'INTERNAL', request_id: response.headers['x-request-id'] })
  })

  it('of a database that is away come from below', async () => {
    const other = await failing(new Error('ECONNREFUSED'), () => new AppError('DATABASE_CONNECTION', 'Away.'))

    expect((await other.inject(`/api/v1/runs/${RUN_ID}`)).statusCode).toBe(503)
  })

  it('of answers that do not fit their schema are ours', async () => {
    const { deps } = apiDeps()
    const other = await buildServer({
      ...deps,
      runs: { ...deps.runs, get: async () => aRun({ id: 'no uuid' }) },
    })
    extra.push(other)

    const response = await other.inject(`/api/v1/runs/${RUN_ID}`)

    expect(response.statusCode).toBe(500)
    expect(response.json().code).toBe('INTERNAL')
  })

  it.each(['', 'a b', 'x'.repeat(129), 'a\u00e9'])('replace the request id %j', async (id) => {
    const response = await app.inject({ url: '/livez', headers: { 'x-request-id': id } })

    expect(response.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('requests that fit no route', () => {
  it.each(['/', '/api/v1', '/api/v1/nothing', `/api/v1/runs/${RUN_ID}/nothing`])(
    '%s is nothing',
    async (url) => {
      const response = await app.inject(url)

      expect(response.statusCode).toBe(404)
      expect(response.json().code).toBe('NOT_FOUND_ROUTE')
    },
  )

  it.each([
    ['PUT', `/api/v1/runs/${RUN_ID}`, 'DELETE, GET, HEAD'],
    ['PUT', '/api/v1/runs?x=1', 'GET, HEAD, POST'],
    ['GET', `/api/v1/tasks/${RUN_ID}/cancel`, 'POST'],
  ] as const)('%s %s takes other methods', async (method, url, allow) => {
    const response = await app.inject({ method, url })

    expect(response.statusCode).toBe(405)
    expect(response.headers['allow']).toBe(allow)
    expect(response.json().code).toBe('METHOD_NOT_ALLOWED')
  })

  it('are refused where the path cannot be decoded', async () => {
    const response = await app.inject('/api/v1/runs/%zz')

    expect(response.statusCode).toBe(400)
    expect(response.json().code).toBe('VALIDATION_FORMAT')
    expect(response.headers['x-request-id']).toBeDefined()
  })

  it('are refused where the URL is above 8 KiB', async () => {
    const response = await app.inject(`/api/v1/runs?tag_prefix=${'x'.repeat(8192)}`)

    expect(response.statusCode).toBe(431)
    expect(response.json().code).toBe('HEADERS_TOO_LARGE')
  })
})

describe('bodies', () => {
  const post = (payload: string | Buffer, type?: string) =>
    app.inject({
      method: 'POST',
      url: '/api/v1/tasks',
      payload,
      headers: type === undefined ? {} : { 'content-type': type },
    })

  it.each([
    ['{"task":', 'application/json', 400, 'VALIDATION_FORMAT'],
    ['[]', 'application/json', 400, 'VALIDATION_FORMAT'],
    ['"x"', 'application/json', 400, 'VALIDATION_FORMAT'],
    [Buffer.from([0x22, 0xff, 0x22]), 'application/json', 400, 'VALIDATION_FORMAT'],
    ['{"__proto__":{}}', 'application/json', 400, 'VALIDATION_UNKNOWN_FIELD'],
    ['{}', 'application/json; charset=utf-8', 400, 'VALIDATION_FIELD'],
    ['{}', 'text/plain', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['a=b', 'application/x-www-form-urlencoded', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['{}', '///', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [`{"task":"${'x'.repeat(2000)}"}`, 'application/json', 413, 'PAYLOAD_TOO_LARGE'],
  ])('%j as %s are answered with %i %s', async (payload, type, status, code) => {
    const response = await post(payload, type)

    expect(response.statusCode).toBe(status)
    expect(response.json()).toMatchObject({ code, status })
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8')
  })

  it('without a content type are refused unless they are empty', async () => {
    expect((await post(Buffer.from('{}'))).statusCode).toBe(415)
    expect((await post('')).json()).toMatchObject({
      code: 'VALIDATION_FIELD',
      errors: [{ field: 'task', rule: 'required' }],
    })
  })
})

describe('the socket itself', () => {
  /** Sends bytes as they are and gives back all that comes until the end. */
  async function exchange(port: number, bytes: string): Promise<string> {
    const socket = connect(port, '127.0.0.1')
    socket.write(bytes)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }

  it('answers with error documents too', async () => {
    const other = await buildServer(apiDeps().deps)
    extra.push(other)
    const { port } = new URL(await other.listen({ port: 0, host: '127.0.0.1' }))

    const nonsense = await exchange(Number(port), 'nonsense\r\n\r\n')
    const headers = await exchange(
      Number(port),
      `GET /livez HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(17_000)}\r\n\r\n`,
    )

    expect(nonsense).toMatch(/^HTTP\/1.1 400 /)
    expect(nonsense).toContain('"code":"VALIDATION_FORMAT"')
    expect(headers).toMatch(/^HTTP\/1.1 431 /)
    expect(headers).toContain('"code":"HEADERS_TOO_LARGE"')
  })
})
