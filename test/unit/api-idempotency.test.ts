/** Idempotency-Key at the HTTP boundary; what the keys do is in test/integration/idempotency.test.ts. */
import { afterEach, describe, expect, it } from 'vitest'
import type { ApiDeps } from '../../api/deps.ts'
import { buildServer } from '../../api/server.ts'
import { AppError } from '../../internal/errors.ts'
import { apiDeps } from '../support/api-deps.ts'
import { memoryKeys, SUBJECT_ID } from '../support/api-idempotency.ts'
import { INPUT_ID, PROFILE_ID, RUN_ID, TASK_ID } from '../support/api-values.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

async function start(change: Partial<ApiDeps> = {}) {
  const keys = memoryKeys()
  const { deps, asked } = apiDeps({ idempotency: keys, ...change })
  const app = await buildServer(deps)
  cleanups.push(() => app.close())
  const post = (url: string, payload: object | string | undefined, key: string | null = 'k') =>
    app.inject({
      method: 'POST',
      url,
      headers: { ...(key !== null && { 'idempotency-key': key }), 'content-type': 'application/json' },
      ...(payload !== undefined && { payload }),
    })
  return { app, asked, keys, post }
}

interface Operation {
  readonly parameters?: readonly { readonly name: string }[]
  readonly responses: Readonly<Record<number, { readonly description: string }>>
}

const TASK = { task: { title: 't', project_root: '/p' } }

describe('a POST with a key', () => {
  it('gives its answer again, status, body and ETag, and says so', async () => {
    const { post, asked } = await start()

    const first = await post('/api/v1/tasks', TASK)
    delete asked.task
    const again = await post('/api/v1/tasks', TASK)

    expect(first.statusCode).toBe(201)
    expect(first.headers).not.toHaveProperty('idempotency-replayed')
    expect(again.statusCode).toBe(201)
    expect(again.body).toBe(first.body)
    expect(again.headers).toMatchObject({
      'idempotency-replayed': 'true',
      'content-type': first.headers['content-type'],
      etag: first.headers['etag'],
    })
    expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
    expect(asked).toEqual({})
  })

  it('is known by principal, method, path without query, key, and a digest of what it says', async () => {
    const { post, keys } = await start()

    await post('/api/v1/tasks?unknown=1', '{"task": {"title": "t", "project_root": "/p"}}', 'key é')
    await post('/api/v1/tasks?unknown=1', '{"task": {"project_root": "/p", "title": "t"}}', 'other')
    await post('/api/v1/tasks', TASK, 'third')

    const [first, second, third] = keys.begun
    expect(first).toMatchObject({ principal: 'local', method: 'POST', path: '/api/v1/tasks', key: 'key é' })
    expect(first?.digest).toBe(second?.digest)
    expect(first?.digest).not.toBe(third?.digest)
  })

  it('makes what its key stands for', async () => {
    const { post } = await start()

    const profile = await post('/api/v1/profiles', { profile: { name: 'n' } }, '1')
    const task = await post('/api/v1/tasks', TASK, '2')
    const run = await post('/api/v1/runs', { task_id: TASK_ID }, '3')
    const input = await post(`/api/v1/runs/${RUN_ID}/continue`, { message: 'm' }, '4')

    expect(profile.json().profile.id).toBe(SUBJECT_ID)
    expect(task.json().task.id).toBe(SUBJECT_ID)
    expect(run.json().run.id).toBe(SUBJECT_ID)
    expect(input.json().input.id).toBe(SUBJECT_ID)
  })

  it('gives refusals again too, also those of validation', async () => {
    const { post } = await start()

    const missing = await post('/api/v1/tasks/x/cancel', undefined, '1')
    const missingAgain = await post('/api/v1/tasks/x/cancel', undefined, '1')
    const invalid = await post('/api/v1/tasks', { task: {} }, '2')
    const invalidAgain = await post('/api/v1/tasks', { task: {} }, '2')

    expect([missing.statusCode, invalid.statusCode]).toEqual([404, 400])
    expect(missingAgain.body).toBe(missing.body)
    expect(invalidAgain.body).toBe(invalid.body)
    expect(invalidAgain.headers['content-type']).toBe(invalid.headers['content-type'])
    expect(invalidAgain.headers['idempotency-replayed']).toBe('true')
  })

  it.each(['STATE_TRANSITION_INVALID', 'INTERNAL', 'SANDBOX_UNAVAILABLE', 'NOT_IMPLEMENTED'] as const)(
    'keeps no %s',
    async (code) => {
      const fail = async (): Promise<never> => {
        throw new AppError(code, 'No.')
      }
      const { deps } = apiDeps()
      const { post, keys } = await start({ taskCancel: { ...deps.taskCancel, cancel: fail } })

      const response = await post(`/api/v1/tasks/${TASK_ID}/cancel`, undefined)

      expect(response.json().code).toBe(code)
      expect(keys.freed).toEqual(['k'])
      expect(keys.kept.size).toBe(0)
    },
  )

  it.each(['STATE_IDEMPOTENCY_IN_FLIGHT', 'IDEMPOTENCY_MISMATCH'] as const)('hands on %s', async (code) => {
    const { post, asked } = await start({
      idempotency: {
        begin: async () => {
          throw new AppError(code, 'No.')
        },
      },
    })

    const response = await post('/api/v1/tasks', TASK)

    expect(response.statusCode).toBe(code === 'IDEMPOTENCY_MISMATCH' ? 422 : 409)
    expect(response.json().code).toBe(code)
    expect(response.headers['retry-after']).toBe(code === 'IDEMPOTENCY_MISMATCH' ? undefined : '1')
    expect(asked).toEqual({})
  })

  it.each([
    ['', 400],
    ['x', 201],
    ['x'.repeat(500), 201],
    ['x'.repeat(501), 400],
  ])('takes keys of 1 to 500 bytes', async (key, status) => {
    const { post, keys } = await start()

    const response = await post('/api/v1/tasks', TASK, key)

    expect(response.statusCode).toBe(status)
    if (status === 400) {
      expect(response.json()).toMatchObject({
        code: 'VALIDATION_FIELD',
        errors: [{ field: 'Idempotency-Key' }],
      })
    }
    expect(keys.begun).toHaveLength(status === 201 ? 1 : 0)
  })

  it('of a process of a run is refused before its key is looked at', async () => {
    const { post, keys } = await start({ isAgent: () => true })

    expect((await post('/api/v1/tasks', TASK)).statusCode).toBe(403)
    expect(keys.begun).toEqual([])
  })
})

describe('a key', () => {
  it('means nothing to other methods, and nothing happens without one', async () => {
    const { app, post, keys } = await start()
    const headers = { 'idempotency-key': 'k' }

    for (const [method, url, payload] of [
      ['GET', '/api/v1/tasks', undefined],
      ['PUT', `/api/v1/tasks/${TASK_ID}`, TASK],
      ['DELETE', `/api/v1/profiles/${PROFILE_ID}`, undefined],
      ['PATCH', `/api/v1/runs/${RUN_ID}/inputs/${INPUT_ID}`, { message: 'm' }],
    ] as const) {
      const response = await app.inject({ method, url, headers, ...(payload && { payload }) })
      expect(response.statusCode, url).toBe(200)
    }
    await post('/api/v1/tasks', TASK, null)

    expect(keys.begun).toEqual([])
  })

  it('of a run may stand in its body; a dry run has none', async () => {
    const { post, keys } = await start()

    const first = await post('/api/v1/runs', { taskId: TASK_ID, idempotencyKey: 'in body' }, null)
    const again = await post('/api/v1/runs', { taskId: TASK_ID, idempotencyKey: 'in body' }, null)
    await post('/api/v1/runs?dryRun=true', { task_id: TASK_ID })
    await post('/api/v1/runs', { task_id: TASK_ID, idempotency_key: 'x'.repeat(501) }, null)

    expect(again.body).toBe(first.body)
    expect(keys.begun.map(({ key }) => key)).toEqual(['in body', 'in body'])
  })

  it('is described in the document of every POST', async () => {
    const { app } = await start()

    const { paths } = (await app.inject('/api/v1/openapi.json')).json()

    const posts = Object.entries<{ post?: Operation }>(paths).flatMap(([path, { post }]) =>
      post ? [[path, post] as const] : [],
    )
    expect(posts.length).toBeGreaterThan(10)
    for (const [path, { parameters, responses }] of posts) {
      const names = (parameters ?? []).map(({ name }) => name)
      expect(names, path).toContain('idempotency-key')
      expect(responses[409]?.description, path).toContain('STATE_IDEMPOTENCY_IN_FLIGHT')
      expect(responses[422]?.description, path).toContain('IDEMPOTENCY_MISMATCH')
    }
  })
})
