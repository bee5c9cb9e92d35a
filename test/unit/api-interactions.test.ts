import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { AppError } from '../../internal/errors.ts'
import { apiDeps } from '../support/api-deps.ts'
import { anInteraction, INTERACTION_ID, QUESTION_ID, RUN_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const answer = (payload: object, id = INTERACTION_ID, runId = RUN_ID) =>
  app.inject({ method: 'POST', url: `/api/v1/runs/${runId}/interactions/${id}/answer`, payload })

const permission = {
  id: INTERACTION_ID,
  run_id: RUN_ID,
  turn: 1,
  kind: 'permission',
  status: 'pending',
  tool_name: 'write',
  detail: '/p/x',
  // The tool's own keys, as they are.
  input: { file_path: '/p/x', newText: 'y' },
  questions: [],
  suggestions: [
    { decision: 'allow', scope: 'once' },
    { decision: 'deny', scope: 'once' },
  ],
  created_at: '2026-11-21T10:00:00.000Z',
  deadline_at: '2026-11-21T10:05:00.000Z',
  answer: null,
  answered_by: null,
}

describe('GET /runs/{id}/interactions', () => {
  it('shows permissions and questions with every member', async () => {
    const response = await app.inject(`/api/v1/runs/${RUN_ID.toUpperCase()}/interactions`)

    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      interactions: [
        permission,
        {
          ...permission,
          id: QUESTION_ID,
          kind: 'question',
          tool_name: null,
          detail: 'Which color?',
          questions: [
            {
              question: 'Which color?',
              header: 'Color',
              options: [{ label: 'Red', description: null }],
              multi_select: true,
            },
          ],
          suggestions: [],
        },
      ],
    })
    expect(asked.looked).toBe(RUN_ID)
  })

  it.each([UNKNOWN_ID, 'nonsense'])('knows no run %s', async (id) => {
    const response = await app.inject(`/api/v1/runs/${id}/interactions`)

    expect(response.statusCode).toBe(404)
    expect(response.json().code).toBe('NOT_FOUND_RUN')
  })

  it('takes no query', async () => {
    const response = await app.inject(`/api/v1/runs/${RUN_ID}/interactions?status=pending`)

    expect(response.json().code).toBe('VALIDATION_UNKNOWN_FIELD')
  })
})

describe('POST …/answer', () => {
  it('to a permission may be a word', async () => {
    const response = await answer({ decision: 'allow' })

    const given = {
      decision: 'allow',
      scope: 'once',
      input: null,
      message: null,
      interrupt: false,
      answers: null,
    }
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      interaction: { ...permission, status: 'answered', answer: given, answered_by: 'anonymous' },
    })
    expect(asked.answer).toEqual({
      runId: RUN_ID,
      id: INTERACTION_ID,
      actor: 'anonymous',
      answer: given,
    })
  })

  it('may say everything, and the input keeps its keys', async () => {
    const input = { file_path: '/p/z', newText: { deep_key: 1, deepKey: 2 } }

    const response = await answer({
      runId: RUN_ID,
      decision: 'allow',
      scope: 'session',
      input,
      message: 'but there',
      actor: 'ann',
    })

    expect(response.json().interaction).toMatchObject({ answered_by: 'ann', answer: { input } })
    expect(asked.answer).toMatchObject({
      actor: 'ann',
      answer: { decision: 'allow', scope: 'session', input, message: 'but there' },
    })
  })

  it('may end the turn', async () => {
    await answer({ decision: 'deny', interrupt: true, message: '' })

    expect(asked.answer?.answer).toMatchObject({ decision: 'deny', interrupt: true, message: null })
  })

  it.each([
    [{ answers: { 'Which color?': 'Red' } }, 'allow', { 'Which color?': 'Red' }],
    [{ answers: { which_color: ['Red', 'Blue'] } }, 'allow', { which_color: 'Red, Blue' }],
    [{ decision: 'allow', answers: { whichColor: 'x' } }, 'allow', { whichColor: 'x' }],
    [{}, 'deny', null],
    [{ message: 'guess' }, 'deny', null],
    [{ answers: {} }, 'deny', null],
    [{ decision: null, answers: null }, 'deny', null],
  ])('to a question: %j is %s', async (body, decision, answers) => {
    const response = await answer(body, QUESTION_ID)

    expect(response.statusCode).toBe(200)
    expect(asked.answer?.answer).toMatchObject({ decision, answers })
  })

  it.each([{}, { answers: { 'Which color?': 'Red' } }, { decision: '', message: 'hm' }])(
    'never decides a permission by leaving it out: %j',
    async (body) => {
      delete asked.answer

      const response = await answer(body)

      expect(response.statusCode).toBe(400)
      expect(response.json()).toMatchObject({
        code: 'VALIDATION_FIELD',
        errors: [{ field: 'decision', rule: 'required' }],
      })
      expect(asked.answer).toBeUndefined()
    },
  )

  it.each([
    [{ decision: 'maybe' }, 'decision'],
    [{ decision: 'allow', scope: 'forever' }, 'scope'],
    [{ decision: 'allow', input: [1] }, 'input'],
    [{ decision: 'allow', answers: { q: 1 } }, 'answers.q'],
    [{ decision: 'allow', answers: { q: ['a', 1] } }, 'answers.q'],
    [{ decision: 'allow', answers: manyAnswers(101) }, 'answers'],
    [{ decision: 'allow', interrupt: 'yes' }, 'interrupt'],
    [{ decision: 'allow', actor: 'a\nb' }, 'actor'],
    [{ decision: 'deny', message: 'x'.repeat(256 * 1024 + 1) }, 'message'],
  ])('refuses %#', async (body, field) => {
    const response = await answer(body)

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ code: 'VALIDATION_FIELD', errors: [{ field }] })
  })

  it("refuses another run's id and members it does not know", async () => {
    expect((await answer({ decision: 'allow', run_id: UNKNOWN_ID })).json().code).toBe('VALIDATION_CONFLICT')
    expect((await answer({ decision: 'allow', why: 'x' })).json().code).toBe('VALIDATION_UNKNOWN_FIELD')
  })

  it.each([
    [UNKNOWN_ID, RUN_ID, 'NOT_FOUND_INTERACTION'],
    ['nonsense', RUN_ID, 'NOT_FOUND_INTERACTION'],
    [INTERACTION_ID, 'nonsense', 'NOT_FOUND_RUN'],
  ])('knows no %s of %s', async (id, runId, code) => {
    for (const body of [{ decision: 'allow' }, { answers: { q: 'a' } }]) {
      const response = await answer(body, id, runId)

      expect(response.statusCode).toBe(404)
      expect(response.json().code).toBe(code)
    }
  })

  it('says that it was answered otherwise', async () => {
    const closed = async () => {
      throw new AppError('STATE_INTERACTION_CLOSED', 'It was answered otherwise.')
    }
    const other = await buildServer(apiDeps({ interactions: { ...deps.interactions, answer: closed } }).deps)

    const response = await other.inject({
      method: 'POST',
      url: `/api/v1/runs/${RUN_ID}/interactions/${INTERACTION_ID}/answer`,
      payload: { decision: 'deny' },
    })

    expect(response.statusCode).toBe(409)
    expect(response.json()).toMatchObject({ code: 'STATE_INTERACTION_CLOSED', retryable: false })
    await other.close()
  })

  it('is shown afterwards, whoever or whatever gave it', async () => {
    const taken = anInteraction({
      status: 'expired',
      input: undefined,
      answer: {
        decision: 'deny',
        scope: 'once',
        input: undefined,
        message: 'nobody answered',
        interrupt: false,
        answers: null,
      },
    })
    const list = async () => [taken]
    const other = await buildServer(apiDeps({ interactions: { ...deps.interactions, list } }).deps)

    const response = await other.inject(`/api/v1/runs/${RUN_ID}/interactions`)

    expect(response.json().interactions).toMatchObject([
      { status: 'expired', input: null, answer: { decision: 'deny', input: null }, answered_by: null },
    ])
    await other.close()
  })
})

function manyAnswers(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`q${index}`, 'a']))
}
