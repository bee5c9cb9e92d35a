import { afterEach, describe, expect, test } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { AppError } from '../../internal/errors.ts'
import { createLogger } from '../../internal/log.ts'
import { apiDeps } from '../support/api-deps.ts'
import { RUN_ID } from '../support/api-values.ts'
import { counted } from '../support/counted.ts'

type Line = Record<string, unknown>
let closing: (() => Promise<void>) | undefined
afterEach(() => closing?.())

async function started(
  change: (log: ReturnType<typeof createLogger>) => Parameters<typeof apiDeps>[0] = () => ({}),
) {
  const lines: Line[] = []
  const log = createLogger('debug', { write: (text: string) => void lines.push(JSON.parse(text)) })
  const metrics = counted()
  const app = await buildServer(apiDeps({ log, metrics, ...change(log) }).deps)
  closing = () => app.close()
  const requests = () => lines.filter(({ msg }) => msg === 'request')
  return { app, lines, requests, metrics }
}

const LEVELS = { 20: 'debug', 30: 'info', 40: 'warn', 50: 'error' } as const

describe('a request', () => {
  test('leaves one line that says what was asked and how it ended', async () => {
    const { app, requests } = await started()

    await app.inject({ url: `/api/v1/runs/${RUN_ID}`, headers: { 'x-request-id': 'abc' } })

    expect(requests()).toEqual([
      {
        level: 30,
        time: expect.any(String),
        request_id: 'abc',
        method: 'GET',
        route: '/api/v1/runs/:id',
        status: 200,
        duration_ms: expect.any(Number),
        bytes: expect.any(Number),
        principal: 'local',
        run_id: RUN_ID,
        msg: 'request',
      },
    ])
  })

  test.each([
    ['GET', '/livez', 'debug'],
    ['GET', '/readyz', 'debug'],
    ['GET', '/api/v1/health', 'debug'],
    ['GET', '/metrics', 'debug'],
    ['GET', '/api/v1/runs', 'info'],
    ['GET', '/api/v1/nothing', 'warn'],
    ['POST', '/api/v1/runs', 'warn'],
  ] as const)('%s %s is logged as %s', async (method, url, level) => {
    const { app, requests } = await started()

    await app.inject({ method, url })

    expect(requests().map(({ level: number }) => LEVELS[number as keyof typeof LEVELS])).toEqual([level])
  })

  test('that fails here is an error, and its cause is told beside it under the same id', async () => {
    const { app, lines, requests } = await started(() => ({
      runs: { ...apiDeps().deps.runs, get: () => Promise.reject(new Error('broken')) },
    }))

    await app.inject({ url: `/api/v1/runs/${RUN_ID}`, headers: { 'x-request-id': 'abc' } })

    expect(requests()).toMatchObject([{ level: 50, status: 500 }])
    expect(lines).toContainEqual(
      expect.objectContaining({ msg: 'request failed', request_id: 'abc', code: 'INTERNAL' }),
    )
  })

  test('keeps what the caller wrote out of the log', async () => {
    const { app, lines } = await started(() => ({
      tasks: {
        ...apiDeps().deps.tasks,
        create: () => Promise.reject(new AppError('INTERNAL', 'broken')),
      },
    }))

    await app.inject('/api/v1/runs?tag_prefix=hunter2')
    await app.inject('/api/v1/hunter2?hunter2=hunter2')
    await app.inject('/api/v1/runs/hunter2')
    const body = { task: { title: 'hunter2', scope_path: '.', project_root: '/p' } }
    await app.inject({ method: 'POST', url: '/api/v1/tasks', body, headers: { authorization: 'hunter2' } })

    expect(lines.length).toBeGreaterThanOrEqual(5)
    expect(JSON.stringify(lines)).not.toContain('hunter2')
  })

  test.each(['GET', 'POST'] as const)('gives its id to every line on the way: %s', async (method) => {
    const { app, lines } = await started((log) => ({
      profiles: {
        ...apiDeps().deps.profiles,
        get: async (id) => {
          await new Promise((resolve) => setImmediate(resolve))
          log.info('looked')
          return apiDeps().deps.profiles.get(id)
        },
        create: async (profile) => {
          await new Promise((resolve) => setImmediate(resolve))
          log.info('looked')
          return apiDeps().deps.profiles.create(profile)
        },
      },
    }))
    const url = await app.listen({ port: 0, host: '127.0.0.1' })

    await Promise.all(
      ['one', 'two', 'three'].map((id) =>
        method === 'GET'
          ? fetch(`${url}/api/v1/profiles/01930000-0000-7000-8000-000000000003`, {
              headers: { 'x-request-id': id },
            })
          : fetch(`${url}/api/v1/profiles`, {
              method,
              headers: { 'x-request-id': id, 'content-type': 'application/json' },
              body: JSON.stringify({ profile: { profile_key: id, name: id, runner_type: 'opencode' } }),
            }),
      ),
    )

    const looked = lines.filter(({ msg }) => msg === 'looked').map((line) => line['request_id'])
    expect(new Set(looked)).toEqual(new Set(['one', 'two', 'three']))
    expect(looked).toHaveLength(3)
  })

  test('whose client leaves before the answer is told so', async () => {
    const { promise: reached, resolve: isReached } = Promise.withResolvers<void>()
    const { promise: gone, resolve: goOn } = Promise.withResolvers<void>()
    const { app, requests } = await started(() => ({
      runs: {
        ...apiDeps().deps.runs,
        get: async (id) => {
          isReached()
          await gone
          return apiDeps().deps.runs.get(id)
        },
      },
    }))
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const leaving = new AbortController()
    const asked = fetch(`${url}/api/v1/runs/${RUN_ID}`, { signal: leaving.signal })

    await reached
    leaving.abort()
    await expect(asked).rejects.toThrow()

    await expect.poll(() => requests()).toMatchObject([{ status: 499 }])
    goOn()
  })

  test('that became a WebSocket is open until it ends, and one line then', async () => {
    const { app, requests, metrics } = await started()
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const open = () => metrics.sums.get('streams_open{}')
    const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/ws`)

    await expect.poll(open).toBe(1)
    expect(requests()).toEqual([])
    socket.close()

    await expect.poll(open).toBe(0)
    expect(requests()).toMatchObject([{ route: '/api/v1/ws', status: 101 }])
    expect(metrics.of('http_request_duration_seconds')).toEqual([])
  })

  test('is counted by its pattern, and paths nobody serves are one', async () => {
    const { app, metrics } = await started()

    for (const path of ['/a', '/b', '/c']) await app.inject(path)
    await app.inject(`/api/v1/runs/${RUN_ID}`)
    await app.inject('/api/v1/runs/01930000-0000-7000-8000-00000000ffff')
    await app.inject({ method: 'PROPFIND' as 'GET', url: '/' })

    expect(metrics.of('http_requests_total').sort()).toEqual([
      'http_requests_total{route="/api/v1/runs/:id",method="GET",status="2xx"}',
      'http_requests_total{route="/api/v1/runs/:id",method="GET",status="4xx"}',
      'http_requests_total{route="unmatched",method="GET",status="4xx"}',
      'http_requests_total{route="unmatched",method="OTHER",status="4xx"}',
    ])
    expect(metrics.sums.get('errors_total{code="NOT_FOUND_ROUTE"}')).toBe(4)
    expect(metrics.sums.get('errors_total{code="NOT_FOUND_RUN"}')).toBe(1)
    expect(metrics.sums.get('http_requests_in_flight{}')).toBe(0)
  })
})
