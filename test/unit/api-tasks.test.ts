/** Tasks over HTTP: lists, updates, deletion, cancelling, ETags. Making them: api-profiles-tasks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { TASK_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const TASK = `/api/v1/tasks/${TASK_ID}`
const send = (method: 'POST' | 'PUT' | 'DELETE', url: string, payload?: object, headers = {}) =>
  app.inject({ method, url, headers, ...(payload && { payload }) })

describe('GET /tasks', () => {
  it('takes filters and pages in both spellings', async () => {
    const response = await app.inject('/api/v1/tasks?status=TASK_STATUS_NEEDS_REVIEW&scopePrefix=a/b&limit=5')

    expect(asked.tasks).toEqual({
      filter: { status: 'needs_review', scopePrefix: 'a/b' },
      page: { size: 5, after: null, offset: 0 },
    })
    expect(response.json()).toMatchObject({
      tasks: [{ id: TASK_ID }],
      total: 20_000,
      total_exact: false,
      next_page_token: null,
    })
  })

  it('needs no filter', async () => {
    await app.inject('/api/v1/tasks')

    expect(asked.tasks?.filter).toEqual({ status: null, scopePrefix: null })
  })

  it.each([
    ['status=sleeping', 'VALIDATION_FIELD', 'status'],
    ['limit=1001', 'VALIDATION_FIELD', 'limit'],
    ['title=x', 'VALIDATION_UNKNOWN_FIELD', 'title'],
  ])('refuses %s by name', async (query, code, field) => {
    const response = await app.inject(`/api/v1/tasks?${query}`)

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ code, errors: [{ field }] })
  })
})

describe('PUT /tasks/{id}', () => {
  const task = { title: 'new', description: 'd', scopePath: 's', projectRoot: '/p', createdBy: 'eve' }

  it('replaces what the task says, and answers it with its ETag', async () => {
    const response = await send('PUT', TASK, { taskId: TASK_ID, task }, { 'if-match': '"7"' })

    expect(asked.updateTask).toEqual({
      id: TASK_ID,
      wanted: {
        title: 'new',
        description: 'd',
        scopePath: 's',
        projectRoot: '/p',
        contextAttachments: [],
      },
      ifMatch: [7],
    })
    expect(response.json().task.title).toBe('new')
    expect(response.headers['etag']).toBe('"8"')
  })

  it('takes back what GET gave out', async () => {
    const got = await app.inject(TASK)

    const response = await send('PUT', TASK, got.json())

    expect(got.headers['etag']).toBe('"7"')
    expect(response.statusCode).toBe(200)
  })

  it('refuses another task_id, unknown members, a missing task', async () => {
    const other = await send('PUT', TASK, { task_id: UNKNOWN_ID, task })
    const unknown = await send('PUT', TASK, { task: { ...task, colour: 'red' } })
    const missing = await send('PUT', `/api/v1/tasks/${UNKNOWN_ID}`, { task })

    expect(other.json()).toMatchObject({ code: 'VALIDATION_CONFLICT', errors: [{ field: 'task_id' }] })
    expect(unknown.json()).toMatchObject({
      code: 'VALIDATION_UNKNOWN_FIELD',
      errors: [{ field: 'task.colour' }],
    })
    expect([missing.statusCode, missing.json().code]).toEqual([404, 'NOT_FOUND_TASK'])
  })
})

describe('DELETE /tasks/{id}', () => {
  it('says success', async () => {
    const response = await send('DELETE', TASK, undefined, { 'if-match': '"7"' })

    expect([response.statusCode, response.json()]).toEqual([200, { success: true }])
    expect(asked.delete).toEqual({ id: TASK_ID, ifMatch: [7] })
  })
})

describe('POST /tasks/{id}/cancel', () => {
  it('answers cancelled with the task as it is, without a body as well as with one', async () => {
    const bare = await send('POST', `${TASK}/cancel`)
    const named = await send(
      'POST',
      `${TASK}/cancel`,
      { taskId: TASK_ID, actor: 'ann' },
      { 'if-match': '"7"' },
    )

    expect(bare.json()).toMatchObject({
      success: true,
      status: 'cancelled',
      task: { id: TASK_ID, status: 'TASK_STATUS_RUNNING' },
    })
    expect(named.headers['etag']).toBe('"7"')
    expect(asked.cancelTask).toEqual({ id: TASK_ID, actor: 'ann', ifMatch: [7] })
  })

  it('refuses another id in the body, and what cannot be an id', async () => {
    expect((await send('POST', `${TASK}/cancel`, { task_id: UNKNOWN_ID })).json().code).toBe(
      'VALIDATION_CONFLICT',
    )
    expect((await send('POST', '/api/v1/tasks/x/cancel')).json().code).toBe('NOT_FOUND_TASK')
  })
})
