import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { PROFILE_ID, RUN_ID, TASK_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const post = (path: string, payload?: object) =>
  app.inject({ method: 'POST', url: `/api/v1/runs${path}`, ...(payload && { payload }) })

describe('GET /runs/tag/{tag}', () => {
  it.each([
    ['ecosystem-42', 'ecosystem-42'],
    ['a%2Fb%2Fc', 'a/b/c'],
    ['100%25%20done%3F', '100% done?'],
    ['events', 'events'],
    ['%C3%A4', 'ä'],
  ])('takes %s for %s', async (path, tag) => {
    const response = await app.inject(`/api/v1/runs/tag/${path}`)

    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({ status: 'running', run: { tag } })
    expect(asked.tag).toBe(tag)
  })

  it('knows no run of another tag', async () => {
    const response = await app.inject('/api/v1/runs/tag/none')

    expect(response.statusCode).toBe(404)
    expect(response.json().code).toBe('NOT_FOUND_RUN')
  })

  it('refuses a tag that none can have', async () => {
    expect((await app.inject(`/api/v1/runs/tag/${'x'.repeat(256)}`)).statusCode).toBe(400)
  })
})

describe('POST /runs/tag/{tag}/stop', () => {
  it('stops, with or without a body', async () => {
    const response = await post('/tag/a%2Fb/stop')

    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({ status: 'stopped', tag: 'a/b', run: { stopping: true } })
    expect(asked.stopTag).toEqual({ tag: 'a/b', actor: 'anonymous' })
    await post('/tag/x/stop', { actor: 'ann' })
    expect(asked.stopTag).toEqual({ tag: 'x', actor: 'ann' })
  })
})

describe('POST /runs/stop-all', () => {
  it.each([
    [undefined, null],
    [{}, null],
    [{ tag_prefix: '', force: true }, null],
    [{ tagPrefix: 'eco', force: false }, 'eco'],
  ])('takes %j', async (body, tagPrefix) => {
    const response = await post('/stop-all', body)

    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      result: {
        stopped_count: 2,
        failures: [{ run_id: RUN_ID, error: 'an approval is being carried out' }],
      },
    })
    expect(asked.stopAll).toEqual({ tagPrefix, actor: 'anonymous' })
  })

  it('refuses what it does not know', async () => {
    expect((await post('/stop-all', { tag: 'x' })).json().code).toBe('VALIDATION_UNKNOWN_FIELD')
  })
})

describe('DELETE /runs/{id}', () => {
  it('deletes', async () => {
    const response = await app.inject({ method: 'DELETE', url: `/api/v1/runs/${RUN_ID}` })

    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({ success: true })
    expect(asked.deleted).toEqual({ id: RUN_ID, actor: 'local' })
  })

  it.each([UNKNOWN_ID, 'nonsense'])('knows no %s', async (id) => {
    const response = await app.inject({ method: 'DELETE', url: `/api/v1/runs/${id}` })

    expect(response.json().code).toBe('NOT_FOUND_RUN')
  })
})

describe('POST /runs/{id}/retry', () => {
  it('needs no body', async () => {
    const response = await post(`/${RUN_ID}/retry`)

    expect(response.statusCode).toBe(201)
    expect(response.json().run).toMatchObject({ retry_of: RUN_ID, fork_of: null })
    expect(asked.retry).toEqual({ id: RUN_ID, prompt: null, tag: null })
  })

  it('takes another prompt and tag', async () => {
    await post(`/${RUN_ID}/retry`, { prompt: 'better', tag: 't', runId: RUN_ID })

    expect(asked.retry).toEqual({ id: RUN_ID, prompt: 'better', tag: 't' })
  })

  it('refuses what would make it another run', async () => {
    expect((await post(`/${RUN_ID}/retry`, { task_id: TASK_ID })).json().code).toBe(
      'VALIDATION_UNKNOWN_FIELD',
    )
    expect((await post(`/${UNKNOWN_ID}/retry`)).statusCode).toBe(404)
  })
})

describe('POST /runs/{id}/fork', () => {
  it('needs no body', async () => {
    const response = await post(`/${RUN_ID}/fork`)

    expect(response.statusCode).toBe(201)
    expect(response.json().run).toMatchObject({ fork_of: RUN_ID, retry_of: null })
    expect(asked.fork).toEqual({ id: RUN_ID, message: null, fromTurn: null })
  })

  it('takes a message and a turn', async () => {
    await post(`/${RUN_ID}/fork`, { message: 'otherwise', fromTurn: 2 })

    expect(asked.fork).toEqual({ id: RUN_ID, message: 'otherwise', fromTurn: 2 })
  })

  it.each([{ from_turn: 0 }, { from_turn: 1.5 }, { from_turn: '1' }, { turn: 1 }])(
    'refuses %j',
    async (body) => {
      expect((await post(`/${RUN_ID}/fork`, body)).statusCode).toBe(400)
    },
  )
})

describe('POST /runs?dry_run=true', () => {
  it('tells everything that was looked at and makes nothing', async () => {
    delete asked.run
    const response = await post('?dry_run=true', { task_id: TASK_ID, prompt: 'x' })

    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      dry_run: true,
      ok: false,
      checks: [
        { name: 'task', ok: true, code: null, detail: 'claude is not installed', fix: null },
        {
          name: 'runner',
          ok: false,
          code: 'RUNNER_UNAVAILABLE',
          detail: 'claude is not installed',
          fix: 'Install it.',
        },
      ],
      run_mode: 'RUN_MODE_SANDBOXED',
      config: expect.objectContaining({ runner_type: 'RUNNER_TYPE_CLAUDE_CODE' }),
      sources: expect.objectContaining({ runner_type: 'inline', timeout: 'inline' }),
    })
    expect(asked.preflight).toMatchObject({ taskId: TASK_ID, prompt: 'x' })
    expect(asked.run).toBeUndefined()
  })

  it('has no settings where the profile is not known', async () => {
    const response = await post('?dryRun=1', { task_id: TASK_ID, agent_profile_id: PROFILE_ID })

    expect(response.json()).toMatchObject({ run_mode: null, config: null, sources: null })
  })

  it.each(['?dry_run=false', '?dry_run=0', '?dryRun='])('creates with %s', async (query) => {
    expect((await post(query, { task_id: TASK_ID })).statusCode).toBe(201)
  })

  it('refuses another word', async () => {
    expect((await post('?dry_run=maybe', { task_id: TASK_ID })).json().code).toBe('VALIDATION_FIELD')
  })
})
