import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { AppError, type ErrorCode } from '../../internal/errors.ts'
import { apiDeps } from '../support/api-deps.ts'
import { INPUT_ID, RUN_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const RUN = `/api/v1/runs/${RUN_ID}`
const INPUT = `${RUN}/inputs/${INPUT_ID}`

const queued = {
  id: INPUT_ID,
  run_id: RUN_ID,
  turn: 2,
  source: 'continue',
  delivery: 'queue',
  status: 'queued',
  message: 'go on',
  created_at: '2026-11-21T10:00:00.000Z',
  delivered_at: null,
  sequence: null,
  actor: null,
}

/** A server whose use cases of this name refuse. */
async function refusing(name: 'continue' | 'editInput' | 'cancelInput' | 'interrupt', code: ErrorCode) {
  const refuse = async () => {
    throw new AppError(code, 'No.')
  }
  return await buildServer(apiDeps({ conversation: { ...deps.conversation, [name]: refuse } }).deps)
}

describe('POST /runs/{id}/continue', () => {
  const go = (payload: object, id = RUN_ID) =>
    app.inject({ method: 'POST', url: `/api/v1/runs/${id}/continue`, payload })

  it("takes the original's form and queues", async () => {
    const response = await go({ message: 'go on' })

    expect(response.statusCode).toBe(202)
    expect(response.json()).toMatchObject({ success: true, run: { id: RUN_ID, turn: 2 } })
    expect(response.json().input).toEqual(queued)
    expect(asked.continue).toEqual({ id: RUN_ID, message: 'go on', delivery: 'queue' })
  })

  it('steers where that is wanted', async () => {
    const response = await go({ runId: RUN_ID, message: 'stop that', delivery: 'steer' })

    expect(response.json().input).toMatchObject({ delivery: 'steer', message: 'stop that' })
    expect(asked.continue?.delivery).toBe('steer')
    await go({ message: 'x', actor: 'ann' })
    expect(asked.continue?.actor).toBe('ann')
  })

  it('takes a message of 2 MiB and no more', async () => {
    const bytes = 2 * 1024 * 1024

    expect((await go({ message: 'x'.repeat(bytes) })).statusCode).toBe(202)
    expect((await go({ message: `${'x'.repeat(bytes - 1)}é` })).json()).toMatchObject({
      code: 'VALIDATION_FIELD',
      errors: [{ field: 'message', rule: 'max_bytes' }],
    })
  })

  it.each([
    [{}, 'message', 'required'],
    [{ message: '' }, 'message', 'min'],
    [{ message: null }, 'message', 'type'],
    [{ message: 'a', delivery: 'now' }, 'delivery', 'enum'],
  ])('refuses %j', async (body, field, rule) => {
    const response = await go(body)

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ code: 'VALIDATION_FIELD', errors: [{ field, rule }] })
  })

  it('knows its run', async () => {
    expect((await go({ message: 'a' }, UNKNOWN_ID)).json().code).toBe('NOT_FOUND_RUN')
    expect((await go({ message: 'a' }, 'nonsense')).json().code).toBe('NOT_FOUND_RUN')
    expect((await go({ message: 'a', run_id: UNKNOWN_ID })).json().code).toBe('VALIDATION_CONFLICT')
  })

  it.each([
    ['RUNNER_CAPABILITY', 422],
    ['STATE_TRANSITION_INVALID', 409],
  ] as const)('hands on %s', async (code, status) => {
    const other = await refusing('continue', code)

    const response = await other.inject({ method: 'POST', url: `${RUN}/continue`, payload: { message: 'a' } })

    expect([response.statusCode, response.json().code]).toEqual([status, code])
    await other.close()
  })
})

describe('GET /runs/{id}/inputs', () => {
  it('shows what was told and what waits', async () => {
    const response = await app.inject(`${RUN}/inputs`)

    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      inputs: [
        {
          ...queued,
          id: UNKNOWN_ID,
          turn: 1,
          source: 'prompt',
          status: 'delivered',
          message: 'do it',
          delivered_at: '2026-11-21T10:00:00.000Z',
          sequence: 2,
        },
        queued,
      ],
      total: 2,
      total_exact: true,
      next_page_token: null,
    })
    expect(asked.inputs).toEqual({ size: 100, after: null, offset: 0 })
  })

  it('shows them by page', async () => {
    await app.inject(`${RUN}/inputs?pageSize=7&page_token=${INPUT_ID}`)

    expect(asked.inputs).toEqual({ size: 7, after: INPUT_ID, offset: 0 })
    expect((await app.inject(`${RUN}/inputs?page_size=1001`)).statusCode).toBe(400)
  })

  it.each([UNKNOWN_ID, 'nonsense'])('knows no run %s', async (id) => {
    const response = await app.inject(`/api/v1/runs/${id}/inputs`)

    expect([response.statusCode, response.json().code]).toEqual([404, 'NOT_FOUND_RUN'])
  })
})

describe('an input', () => {
  it('is reworded', async () => {
    const response = await app.inject({ method: 'PATCH', url: INPUT, payload: { message: 'rather not' } })

    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({ input: { ...queued, message: 'rather not' } })
    expect(asked.edit).toEqual({ id: RUN_ID, inputId: INPUT_ID, message: 'rather not' })
  })

  it.each([{}, { message: '' }, { message: 'a', status: 'delivered' }, { message: 'a', run_id: UNKNOWN_ID }])(
    'is not reworded by %j',
    async (payload) => {
      delete asked.edit

      const response = await app.inject({ method: 'PATCH', url: INPUT, payload })

      expect(response.statusCode).toBe(400)
      expect(asked.edit).toBeUndefined()
    },
  )

  it('is cancelled, with no body or an empty one', async () => {
    for (const headers of [{}, { 'content-type': 'application/json', 'content-length': '0' }]) {
      const response = await app.inject({ method: 'DELETE', url: INPUT, headers })

      expect(response.statusCode).toBe(200)
      expect(response.json()).toEqual({ input: { ...queued, status: 'cancelled' } })
    }
    expect(asked.cancel).toEqual({ id: RUN_ID, inputId: INPUT_ID })
  })

  it.each([
    ['PATCH', 'editInput'],
    ['DELETE', 'cancelInput'],
  ] as const)('that was handed over is a 409 to %s', async (method, name) => {
    const other = await refusing(name, 'STATE_INPUT_DELIVERED')

    const response = await other.inject({ method, url: INPUT, payload: { message: 'a' } })

    expect(response.statusCode).toBe(409)
    expect(response.json()).toMatchObject({ code: 'STATE_INPUT_DELIVERED', recovery: 'none' })
    await other.close()
  })

  it.each([
    ['PATCH', UNKNOWN_ID],
    ['PATCH', 'nonsense'],
    ['DELETE', UNKNOWN_ID],
    ['DELETE', 'nonsense'],
  ] as const)('that is not there: %s %s', async (method, id) => {
    const response = await app.inject({ method, url: `${RUN}/inputs/${id}`, payload: { message: 'a' } })

    expect([response.statusCode, response.json().code]).toEqual([404, 'NOT_FOUND_INPUT'])
  })
})

describe('POST /runs/{id}/interrupt', () => {
  const interrupt = (options: object = {}, id = RUN_ID) =>
    app.inject({ method: 'POST', url: `/api/v1/runs/${id}/interrupt`, ...options })

  it.each([
    ['no body', {}, 'anonymous'],
    ['who asks', { payload: { actor: 'ann', run_id: RUN_ID } }, 'ann'],
  ])('takes %s', async (_, options, actor) => {
    const response = await interrupt(options)

    expect(response.statusCode).toBe(202)
    expect(response.json()).toMatchObject({ run: { id: RUN_ID, status: 'RUN_STATUS_RUNNING' } })
    expect(asked.interrupt).toEqual({ id: RUN_ID, actor })
  })

  it('knows its run', async () => {
    expect((await interrupt({}, UNKNOWN_ID)).json().code).toBe('NOT_FOUND_RUN')
    expect((await interrupt({ payload: { run_id: UNKNOWN_ID } })).json().code).toBe('VALIDATION_CONFLICT')
  })

  it.each(['STATE_TERMINAL', 'STATE_TRANSITION_INVALID'] as const)('hands on %s', async (code) => {
    const other = await refusing('interrupt', code)

    const response = await other.inject({ method: 'POST', url: `${RUN}/interrupt` })

    expect([response.statusCode, response.json().code]).toEqual([409, code])
    await other.close()
  })
})
