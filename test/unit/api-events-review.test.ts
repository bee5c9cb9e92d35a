import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventJson } from '../../api/event-json.ts'
import { listEventsAnswer } from '../../api/schemas/run-event.ts'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { anEvent, RUN_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const events = (query = '') => app.inject(`/api/v1/runs/${RUN_ID}/events${query}`)
const decide = (what: string, options: object = {}) =>
  app.inject({ method: 'POST', url: `/api/v1/runs/${RUN_ID}/${what}`, ...options })

describe('GET /runs/{id}/events', () => {
  it('answers as its schema says', async () => {
    const response = await events()

    expect(response.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(listEventsAnswer.parse(response.json())).toEqual(response.json())
    expect(response.json()).toEqual({
      events: [
        {
          id: expect.any(String),
          run_id: RUN_ID,
          sequence: 1,
          event_type: 'RUN_EVENT_TYPE_STATUS',
          timestamp: '2026-11-21T10:00:00.000Z',
          turn: 1,
          attempt: 1,
          synthetic: false,
          status: { old_status: null, new_status: 'pending', reason: null },
        },
        expect.objectContaining({ sequence: 2, message: { role: 'assistant', content: 'a "quoted" word' } }),
        expect.objectContaining({ sequence: 3, event_type: 'RUN_EVENT_TYPE_ERROR' }),
      ],
      next_after_sequence: 3,
      has_more: false,
    })
    expect(asked.events).toEqual({ afterSequence: 0, limit: 1000, types: [], raw: false })
  })

  it('goes on where a page ended', async () => {
    const first = (await events('?limit=2')).json()
    const second = (await events(`?afterSequence=${first.next_after_sequence}&limit=5000`)).json()
    const third = (await events(`?after_sequence=${second.next_after_sequence}`)).json()

    expect(first).toMatchObject({ next_after_sequence: 2, has_more: true })
    expect(second).toMatchObject({ events: [{ sequence: 3 }], next_after_sequence: 3, has_more: false })
    expect(third).toEqual({ events: [], next_after_sequence: 3, has_more: false })
  })

  it.each([
    ['event_types=RUN_EVENT_TYPE_ERROR', [3]],
    ['event_types=rate_limit', [3]],
    ['eventTypes=message,status', [1, 2]],
    ['event_types=message&event_types=RATE_LIMIT', [2, 3]],
    ['event_types=', [1, 2, 3]],
  ])('filters by ?%s', async (query, sequences) => {
    const page = (await events(`?${query}`)).json()

    expect(page.events.map((event: { sequence: number }) => event.sequence)).toEqual(sequences)
  })

  it('shows what the CLI printed where it is asked for', async () => {
    const page = (await events('?include=raw&limit=1')).json()

    expect(page.events[0].raw).toBe('printed')
    expect(listEventsAnswer.parse(page)).toEqual(page)
  })

  it.each([
    ['limit=5001', 400],
    ['limit=0', 400],
    ['after_sequence=-1', 400],
    ['event_types=nonsense', 400],
    ['include=all', 400],
    ['follow=true', 400],
    ['wait=56', 400],
    ['wait=soon', 400],
    ['wait=-1', 400],
    ['wait=0', 200],
  ])('answers ?%s with %i', async (query, status) => {
    expect((await events(`?${query}`)).statusCode).toBe(status)
  })

  it('knows no unknown run', async () => {
    expect((await app.inject(`/api/v1/runs/${UNKNOWN_ID}/events`)).json().code).toBe('NOT_FOUND_RUN')
  })

  it('keeps the bytes of the payload', () => {
    const text =
      '{"tool_call": {"tool_name":"x","input":{"z":1,"a":1e2,"camelKey":"\\u00e9"},"tool_call_id":"1"}}'
    const event = {
      ...anEvent(7, { tool_call: { tool_name: 'x', input: {}, tool_call_id: '1' } }),
      payloadText: text,
    }

    expect(eventJson(event).endsWith(`,${text.slice(1)}`)).toBe(true)
    expect(JSON.parse(eventJson(event, null))).toMatchObject({
      sequence: 7,
      raw: null,
      tool_call: { tool_name: 'x' },
    })
  })
})

describe('GET /runs/{id}/diff', () => {
  it('shows files and hunks', async () => {
    const response = await app.inject(`/api/v1/runs/${RUN_ID}/diff`)

    expect(response.json()).toEqual({
      diff: {
        run_id: RUN_ID,
        digest: 'abc',
        content: 'diff --git a/x b/x\n',
        generated_at: '2026-11-21T10:00:00.000Z',
        ignored: null,
        files: [
          {
            path: 'x',
            old_path: null,
            change_type: 'modified',
            additions: 1,
            deletions: 0,
            is_binary: false,
            redacted: false,
            old_mode: '100644',
            new_mode: '100644',
            hunks: [
              {
                id: 'h1',
                old_start: 1,
                old_lines: 0,
                new_start: 1,
                new_lines: 1,
                header: '@@',
                lines: ['+y'],
              },
            ],
          },
        ],
      },
    })
    expect((await app.inject(`/api/v1/runs/${RUN_ID}/diff?include_ignored=true`)).statusCode).toBe(501)
  })
})

describe('approve and reject', () => {
  it('approve everything without a body, as agent-inbox does', async () => {
    const response = await decide('approve')

    expect(response.statusCode).toBe(200)
    expect(asked.approve).toEqual({
      runId: RUN_ID,
      actor: null,
      commitMessage: null,
      createCommit: null,
      digest: null,
    })
    expect(response.json()).toMatchObject({
      result: {
        success: true,
        files_applied: 1,
        hunks_applied: 1,
        commit_hash: 'c0ffee',
        message: 'applied',
        remaining_files: 0,
        remaining_hunks: 0,
        is_partial: false,
        conflicts: [],
      },
      run: { status: 'RUN_STATUS_COMPLETE', approval_state: 'APPROVAL_STATE_APPROVED' },
    })
  })

  it('hand on what was said', async () => {
    const payload = {
      runId: RUN_ID,
      actor: 'Ann <a@b.c>',
      commitMsg: 'm',
      createCommit: false,
      digest: 'abc',
      force: false,
    }

    await decide('approve', { payload })

    expect(asked.approve).toEqual({
      runId: RUN_ID,
      actor: 'Ann <a@b.c>',
      commitMessage: 'm',
      createCommit: false,
      digest: 'abc',
    })
  })

  it('reject with and without a reason', async () => {
    const response = await decide('reject', { payload: { run_id: RUN_ID, actor: 'ann', reason: 'no' } })

    expect(response.json()).toMatchObject({
      status: 'rejected',
      run: { approval_state: 'APPROVAL_STATE_REJECTED' },
    })
    expect(asked.reject).toEqual({ runId: RUN_ID, actor: 'ann', reason: 'no' })
    expect((await decide('reject')).statusCode).toBe(200)
  })

  it.each([
    ['approve', { files: ['a'] }],
    ['approve', { hunks: [{ path: 'a', hunk_ids: ['h'] }] }],
    ['approve', { commit_branch: 'b' }],
    ['approve', { force: true }],
    ['reject', { request_changes: true }],
    ['reject', { comments: [{ path: 'a', line: 1, body: 'x' }] }],
    ['reject', { files: ['a'] }],
  ])('%s with %j is not built yet', async (what, payload) => {
    expect((await decide(what, { payload })).statusCode).toBe(501)
  })

  it.each([
    ['approve', { files: [], hunks: null, commit_branch: '' }],
    ['reject', { request_changes: false, comments: [] }],
  ])('%s with %j says nothing more', async (what, payload) => {
    expect((await decide(what, { payload })).statusCode).toBe(200)
  })

  it('take no actor of several lines', async () => {
    const response = await decide('approve', { payload: { actor: 'ann\nApproved-by: bob' } })

    expect(response.json()).toMatchObject({ code: 'VALIDATION_FIELD', errors: [{ field: 'actor' }] })
  })

  it.each(['approve', 'reject'])("%s refuses another run's id", async (what) => {
    const response = await decide(what, { payload: { run_id: UNKNOWN_ID } })

    expect(response.json()).toMatchObject({ code: 'VALIDATION_CONFLICT', errors: [{ field: 'run_id' }] })
  })
})
