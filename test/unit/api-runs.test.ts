import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { AppError } from '../../internal/errors.ts'
import { apiDeps } from '../support/api-deps.ts'
import { PROFILE_ID, RUN_ID, TASK_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const create = (payload: object, headers: Record<string, string> = {}, query = '') =>
  app.inject({ method: 'POST', url: `/api/v1/runs${query}`, payload, headers })

describe('POST /runs', () => {
  it('takes the form of agent-inbox', async () => {
    const response = await create({
      task_id: TASK_ID,
      inline_config: { runner_type: 'RUNNER_TYPE_CODEX', timeout: '1800s', requires_approval: true },
    })

    expect(response.statusCode).toBe(201)
    expect(response.json().run).toMatchObject({ id: RUN_ID, status: 'RUN_STATUS_PENDING' })
    expect(asked.run).toEqual({
      taskId: TASK_ID,
      profileId: null,
      profileRef: null,
      tag: null,
      runMode: null,
      inlineConfig: { runnerType: 'codex', timeoutMs: 1_800_000, requiresApproval: true },
      force: false,
      prompt: null,
      idempotencyKey: null,
    })
  })

  it('takes the form of ecosystem-manager', async () => {
    const response = await create({
      taskId: TASK_ID,
      profileRef: { profileKey: 'ecosystem-manager-tasks', defaults: { name: 'ecosystem-manager-tasks' } },
      tag: 'ecosystem-42',
      runMode: 'RUN_MODE_IN_PLACE',
      force: true,
      prompt: 'do it',
      inlineConfig: { timeout: '600s' },
    })

    expect(response.statusCode).toBe(201)
    expect(asked.run).toMatchObject({
      profileRef: {
        profileKey: 'ecosystem-manager-tasks',
        defaults: { profileKey: 'ecosystem-manager-tasks', name: 'ecosystem-manager-tasks' },
      },
      tag: 'ecosystem-42',
      runMode: 'in_place',
      force: true,
      prompt: 'do it',
      inlineConfig: { timeoutMs: 600_000 },
    })
  })

  it('says when an idempotency key was used before', async () => {
    const first = await create({ task_id: TASK_ID, idempotency_key: 'new' })
    const again = await create({ task_id: TASK_ID }, { 'idempotency-key': 'again' })

    expect(first.headers).not.toHaveProperty('idempotency-replayed')
    expect(again.statusCode).toBe(201)
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(again.json().run.idempotency_key).toBe('again')
  })

  it.each([
    [{ task_id: TASK_ID, idempotency_key: 'a' }, { 'idempotency-key': 'b' }],
    [{ task_id: TASK_ID, agent_profile_id: PROFILE_ID, profile_ref: { profile_key: 'k' } }, {}],
  ])('refuses what contradicts itself: %j', async (body, headers) => {
    const response = await create(body, headers)

    expect(response.statusCode).toBe(400)
    expect(response.json().code).toBe('VALIDATION_CONFLICT')
  })

  it.each([
    [{ task_id: 'x' }, 'NOT_FOUND_TASK'],
    [{ task_id: TASK_ID, agent_profile_id: 'x' }, 'NOT_FOUND_PROFILE'],
  ])('takes what is no id for what is not there: %j', async (body, code) => {
    const response = await create(body)

    expect(response.statusCode).toBe(404)
    expect(response.json().code).toBe(code)
  })

  it('takes a prompt of 2 MiB and no more', async () => {
    const bytes = 2 * 1024 * 1024

    expect((await create({ task_id: TASK_ID, prompt: 'x'.repeat(bytes) })).statusCode).toBe(201)
    const response = await create({ task_id: TASK_ID, prompt: 'x'.repeat(bytes + 1) })
    expect(response.json()).toMatchObject({
      code: 'VALIDATION_FIELD',
      errors: [{ field: 'prompt', rule: 'max_bytes' }],
    })
  })

  it('refuses keys above 500 bytes', async () => {
    const response = await create({ task_id: TASK_ID }, { 'idempotency-key': 'x'.repeat(501) })

    expect(response.json().code).toBe('VALIDATION_FIELD')
  })

  it.each([
    { existing_sandbox_id: 's' },
    { inline_config: { fallback_runner_types: ['codex'] } },
    { inline_config: { modelPreset: 'MODEL_PRESET_FAST' } },
    { inline_config: { budget: { usd: 1 } } },
    { inline_config: { sandbox_config: { lifecycle: { stop_on: ['approved'] } } } },
  ])('answers 501 to what is not built yet: %j', async (change) => {
    const response = await create({ task_id: TASK_ID, ...change })

    expect(response.statusCode).toBe(501)
    expect(response.json().errors[0].rule).toBe('not_implemented')
  })

  it('takes what is not built yet where it says nothing', async () => {
    const inline = {
      model_preset: 'MODEL_PRESET_UNSPECIFIED',
      sandbox_config: { acceptance: { mode: '', allow: {} } },
      budget: {},
      clear_fallback_runner_types: true,
    }

    const response = await create(
      { task_id: TASK_ID, existing_sandbox_id: '', inline_config: inline },
      {},
      '?dry_run=false',
    )

    expect(response.statusCode).toBe(201)
  })
})

describe('GET /runs', () => {
  it('lists by filters, in either spelling', async () => {
    const query = `status=running&taskId=${TASK_ID}&profile_id=${PROFILE_ID}&tag_prefix=eco&page_size=7&page_token=abc`

    const response = await app.inject(`/api/v1/runs?${query}`)

    expect(response.json()).toMatchObject({
      runs: [{ id: RUN_ID }],
      total: 1,
      total_exact: true,
      next_page_token: null,
    })
    expect(asked.list).toEqual({
      filter: { status: 'running', taskId: TASK_ID, profileId: PROFILE_ID, tagPrefix: 'eco' },
      page: { size: 7, after: 'abc', offset: 0 },
    })
  })

  it('lists the first 100 without a word', async () => {
    await app.inject('/api/v1/runs')

    expect(asked.list).toEqual({
      filter: { status: null, taskId: null, profileId: null, tagPrefix: null },
      page: { size: 100, after: null, offset: 0 },
    })
  })

  it('takes limit and offset', async () => {
    await app.inject('/api/v1/runs?limit=1000&offset=20')

    expect(asked.list?.page).toEqual({ size: 1000, after: null, offset: 20 })
  })

  it.each([
    ['page_size=1001', 'VALIDATION_FIELD'],
    ['page_size=0', 'VALIDATION_FIELD'],
    ['limit=x', 'VALIDATION_FIELD'],
    ['limit=1&limit=2', 'VALIDATION_FIELD'],
    ['offset=-1', 'VALIDATION_FIELD'],
    ['status=done', 'VALIDATION_FIELD'],
    ['task_id=x', 'VALIDATION_FIELD'],
    ['tag_prefix=a%00', 'VALIDATION_FIELD'],
    ['page_size=1&limit=2', 'VALIDATION_CONFLICT'],
    ['page_size=1&pageSize=2', 'VALIDATION_CONFLICT'],
    ['page_token=a&offset=2', 'VALIDATION_CONFLICT'],
    [`agent_profile_id=${PROFILE_ID}&profileId=${TASK_ID}`, 'VALIDATION_CONFLICT'],
    ['sort=asc', 'VALIDATION_UNKNOWN_FIELD'],
  ])('refuses ?%s', async (query, code) => {
    const response = await app.inject(`/api/v1/runs?${query}`)

    expect(response.statusCode).toBe(400)
    expect(response.json().code).toBe(code)
  })
})

describe('GET /runs/{id}', () => {
  it('has every member, with enums by full name and times and durations as text', async () => {
    const { run, ...rough } = (await app.inject(`/api/v1/runs/${RUN_ID}`)).json()

    expect(rough).toEqual({ status: 'completed', error: 'rate limit reached' })
    expect(run).toEqual({
      id: RUN_ID,
      task_id: TASK_ID,
      agent_profile_id: PROFILE_ID,
      tag: 'ecosystem-1',
      idempotency_key: null,
      status: 'RUN_STATUS_NEEDS_REVIEW',
      phase: 'RUN_PHASE_AWAITING_REVIEW',
      progress_percent: 90,
      turn: 1,
      attempt: 0,
      stopping: false,
      waiting_on: {
        kind: 'interaction',
        detail: 'may it write x?',
        since: '2026-11-21T10:00:00.000Z',
        estimate: '2 min',
      },
      failure: {
        code: 'rate_limited',
        message: 'rate limit reached',
        recovery: 'wait',
        retryable: true,
        exit_code: 1,
        signal: null,
        stderr_tail: 'oh',
      },
      error_msg: 'rate limit reached',
      exit_code: 1,
      pending_interactions: 2,
      summary: {
        description: 'done',
        files_modified: [],
        files_created: [],
        files_deleted: [],
        tokens_used: 12,
        turns_used: 3,
        cost_estimate: 0.5,
      },
      usage: {
        input_tokens: 0,
        output_tokens: 0,
        cache_read_tokens: 0,
        cache_creation_tokens: 0,
        total_cost_usd: null,
        cost_source: 'unknown',
      },
      approval_state: 'APPROVAL_STATE_PENDING',
      approved_by: 'ann',
      approved_at: '2026-11-21T10:00:00.000Z',
      diff: { digest: 'abc', files: 2, additions: 3, deletions: 1 },
      changed_files: 2,
      run_mode: 'RUN_MODE_SANDBOXED',
      resolved_config: expect.objectContaining({
        runner_type: 'RUNNER_TYPE_CLAUDE_CODE',
        model: null,
        timeout: '1800s',
        max_turns: 100,
        permission_mode: 'auto',
        env: ['ANTHROPIC_API_KEY'],
      }),
      config_sources: expect.objectContaining({
        runner_type: 'inline',
        timeout: 'inline',
        idle_timeout: 'default',
      }),
      profile_version: 3,
      runner_version: '2.1.0',
      contained: 'full',
      sandbox_id: 's1',
      sandbox_generation: 0,
      session_id: 'n1',
      resume_mode: 'native',
      created_at: '2026-11-21T10:00:00.000Z',
      updated_at: '2026-11-21T10:00:00.000Z',
      started_at: '2026-11-21T10:00:00.000Z',
      ended_at: '2026-11-21T10:00:00.000Z',
      last_heartbeat: '2026-11-21T10:00:00.000Z',
      error: 'rate limit reached',
      progress: { percent: 90, currentAction: 'may it write x?' },
      last_checkpoint_id: null,
      sandbox_config: null,
      diff_path: null,
      log_path: null,
      total_size_bytes: null,
      retry_of: null,
      fork_of: null,
    })
  })

  it.each([UNKNOWN_ID, 'nonsense', 'x'.repeat(500)])('knows no %s', async (id) => {
    const response = await app.inject(`/api/v1/runs/${id}`)

    expect(response.statusCode).toBe(404)
    expect(response.json().code).toBe('NOT_FOUND_RUN')
  })
})

describe('POST /runs/{id}/stop', () => {
  const stop = (options: object = {}) =>
    app.inject({ method: 'POST', url: `/api/v1/runs/${RUN_ID}/stop`, ...options })

  it.each([
    ['no body', {}],
    ['an empty JSON body', { headers: { 'content-type': 'application/json', 'content-length': '0' } }],
    ['an empty form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: '' }],
    ['null', { headers: { 'content-type': 'application/json' }, payload: 'null' }],
    ['an empty object', { payload: {} }],
    ["the run's own id", { payload: { runId: RUN_ID.toUpperCase() } }],
  ])('takes %s', async (_, options) => {
    const response = await stop(options)

    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({ status: 'stopped', run: { id: RUN_ID, stopping: true } })
    expect(asked.stop).toEqual({ id: RUN_ID, actor: 'anonymous' })
  })

  it('hands on who asks', async () => {
    await stop({ payload: { actor: 'ann' } })

    expect(asked.stop?.actor).toBe('ann')
  })

  it("refuses another run's id", async () => {
    const response = await stop({ payload: { run_id: UNKNOWN_ID } })

    expect(response.json().code).toBe('VALIDATION_CONFLICT')
  })

  it('says that a finished run is finished', async () => {
    const finished = async () => {
      throw new AppError('STATE_TERMINAL', 'The run is finished.')
    }
    const other = await buildServer(apiDeps({ runs: { ...deps.runs, stop: finished } }).deps)

    const response = await other.inject({ method: 'POST', url: `/api/v1/runs/${RUN_ID}/stop` })

    expect(response.statusCode).toBe(409)
    expect(response.json()).toMatchObject({ code: 'STATE_TERMINAL', recovery: 'none', retryable: false })
    await other.close()
  })
})
