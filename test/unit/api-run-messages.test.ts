import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { RUN_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const NOTHING = { text: null, input: null, tool_call: null, interaction: null }
const BEGUN = { turn: 1, attempt: 1, timestamp: '2026-11-21T10:00:00.000Z' }

describe('GET /runs/{id}/messages', () => {
  it('shows the conversation, every member present', async () => {
    const response = await app.inject(`/api/v1/runs/${RUN_ID}/messages`)

    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      messages: [
        {
          ...NOTHING,
          ...BEGUN,
          sequence: 3,
          role: 'user',
          kind: 'text',
          text: 'do it',
          input: { input_id: 'i1', source: 'prompt', delivery: 'queue' },
        },
        { ...NOTHING, ...BEGUN, sequence: 4, role: 'assistant', kind: 'thinking', text: 'hm' },
        {
          ...NOTHING,
          ...BEGUN,
          sequence: 5,
          role: 'assistant',
          kind: 'tool_call',
          tool_call: {
            tool_call_id: 'c1',
            tool_name: 'shell',
            input: { someKey: 1 },
            result: { sequence: 6, output: 'out', error: null, success: true },
          },
        },
        {
          ...NOTHING,
          ...BEGUN,
          sequence: 7,
          role: 'assistant',
          kind: 'interaction',
          interaction: {
            interaction_id: 'q1',
            kind: 'question',
            tool_name: null,
            detail: 'Which color?',
            status: 'pending',
            decision: null,
            decided_by: null,
            answer: null,
            sequence: null,
          },
        },
      ],
      next_after_sequence: 7,
      has_more: true,
    })
    expect(asked.messages).toEqual({ afterSequence: 0, limit: 100 })
  })

  it('shows it by page', async () => {
    await app.inject(`/api/v1/runs/${RUN_ID}/messages?afterSequence=7&limit=1000`)

    expect(asked.messages).toEqual({ afterSequence: 7, limit: 1000 })
  })

  it.each(['limit=0', 'limit=1001', 'after_sequence=-1', 'page_size=1'])('refuses ?%s', async (query) => {
    expect((await app.inject(`/api/v1/runs/${RUN_ID}/messages?${query}`)).statusCode).toBe(400)
  })

  it.each([UNKNOWN_ID, 'nonsense'])('knows no run %s', async (id) => {
    expect((await app.inject(`/api/v1/runs/${id}/messages`)).json().code).toBe('NOT_FOUND_RUN')
  })
})

describe('GET /runs/{id}/explain', () => {
  it('says why, and what to do', async () => {
    const response = await app.inject(`/api/v1/runs/${RUN_ID}/explain`)

    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      run_id: RUN_ID,
      status: 'RUN_STATUS_PENDING',
      waiting_on: {
        kind: 'capacity',
        detail: 'waits for a slot',
        since: '2026-11-21T10:00:00.000Z',
        estimate: null,
      },
      checks: [{ name: 'queue', ok: false, detail: '3 before it' }],
      next_step: 'Nothing to do.',
      estimate: '90s',
    })
  })

  it('knows its run', async () => {
    expect((await app.inject(`/api/v1/runs/${UNKNOWN_ID}/explain`)).json().code).toBe('NOT_FOUND_RUN')
  })
})
