import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { PROFILE_ID, TASK_ID, UNKNOWN_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const post = (url: string, payload: object | string) => app.inject({ method: 'POST', url, payload })

describe('POST /profiles', () => {
  it('makes a profile from every setting', async () => {
    const profile = {
      name: 'Fast',
      profileKey: 'fast',
      description: 'for chores',
      runnerType: 'opencode',
      model: 'm',
      maxTurns: 20,
      timeout: '300s',
      idle_timeout: '5m',
      permission_mode: 'ask',
      requires_sandbox: false,
      requires_approval: false,
      containment: 'required',
      network: 'deny',
      home: 'user',
      env: ['TOKEN'],
      created_by: 'ann',
    }

    const response = await post('/api/v1/profiles', { profile })

    expect(response.statusCode).toBe(201)
    expect(asked.profile).toEqual({
      profileKey: 'fast',
      name: 'Fast',
      createdBy: 'ann',
      settings: {
        description: 'for chores',
        runnerType: 'opencode',
        model: 'm',
        maxTurns: 20,
        timeoutMs: 300_000,
        idleTimeoutMs: 300_000,
        permissionMode: 'ask',
        requiresSandbox: false,
        requiresApproval: false,
        containment: 'required',
        network: 'deny',
        home: 'user',
        env: ['TOKEN'],
      },
    })
    expect(response.json().profile).toMatchObject({
      id: PROFILE_ID,
      profile_key: 'fast',
      runner_type: 'RUNNER_TYPE_OPENCODE',
      timeout: '300s',
      idle_timeout: '300s',
      skip_permission_prompt: false,
      allowed_tools: [],
      model_preset: null,
      archived_at: null,
      version: 1,
    })
  })

  it('leaves unset what says nothing', async () => {
    const profile = { name: 'n', model: '', max_turns: 0, runner_type: 'RUNNER_TYPE_UNSPECIFIED', env: [] }

    await post('/api/v1/profiles', { profile })

    expect(asked.profile).toEqual({ profileKey: 'n', name: 'n', createdBy: null, settings: {} })
  })

  it('takes back what it gave out', async () => {
    const { profile } = (await app.inject(`/api/v1/profiles/${PROFILE_ID}`)).json()

    const response = await post('/api/v1/profiles', { profile })

    expect(response.statusCode).toBe(201)
    expect(asked.profile).toEqual({ profileKey: 'key', name: 'Key', createdBy: null, settings: {} })
  })

  it('needs a name or a key', async () => {
    const response = await post('/api/v1/profiles', { profile: {} })

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ code: 'VALIDATION_FIELD', errors: [{ field: 'profile.name' }] })
  })

  it('refuses a permission mode that contradicts skip_permission_prompt', async () => {
    const profile = { name: 'n', skip_permission_prompt: true, permission_mode: 'ask' }

    expect((await post('/api/v1/profiles', { profile })).json().code).toBe('VALIDATION_CONFLICT')
  })

  it.each([
    ['name', 'x'.repeat(256)],
    ['max_turns', 1001],
    ['max_turns', -1],
    ['timeout', '59s'],
    ['timeout', '25h'],
    ['env', ['A=B']],
    ['runner_type', 'cursor'],
    ['network', 'maybe'],
  ])('refuses %s %j', async (field, value) => {
    const response = await post('/api/v1/profiles', { profile: { name: 'n', [field]: value } })

    expect(response.statusCode).toBe(400)
    expect(response.json().code).toBe('VALIDATION_FIELD')
    expect(response.json().errors[0].field).toContain(`profile.${field}`)
  })
})

describe('POST /profiles/ensure', () => {
  const defaults = {
    name: 'ecosystem-manager-tasks',
    profileKey: 'ecosystem-manager-tasks',
    description: 'Agent profile',
    runnerType: 'RUNNER_TYPE_CLAUDE_CODE',
    maxTurns: 60,
    timeout: '1800s',
    skipPermissionPrompt: true,
    allowedTools: ['Read', 'Glob', 'Grep', 'Bash'],
    createdBy: 'ecosystem-manager',
  }

  it('takes the form of ecosystem-manager', async () => {
    const response = await post('/api/v1/profiles/ensure', {
      profileKey: 'ecosystem-manager-tasks',
      defaults,
    })

    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({
      created: true,
      updated: false,
      profile: { permission_mode: 'bypass', skip_permission_prompt: true },
    })
    expect(asked.ensure).toMatchObject({
      profileKey: 'ecosystem-manager-tasks',
      updateExisting: false,
      defaults: {
        settings: {
          permissionMode: 'bypass',
          maxTurns: 60,
          timeoutMs: 1_800_000,
          allowedTools: ['Read', 'Glob', 'Grep', 'Bash'],
        },
      },
    })
  })

  it('says by name what is not built yet', async () => {
    const response = await post('/api/v1/profiles/ensure', {
      profileKey: 'k',
      defaults: { ...defaults, profileKey: 'k', fallbackRunnerTypes: ['codex'] },
    })

    expect(response.statusCode).toBe(501)
    expect(response.json()).toMatchObject({
      code: 'NOT_IMPLEMENTED',
      errors: [{ field: 'defaults.fallbackRunnerTypes', rule: 'not_implemented' }],
    })
  })

  it('refuses defaults with another key, and keys above 100 characters', async () => {
    const other = await post('/api/v1/profiles/ensure', { profile_key: 'a', defaults: { profile_key: 'b' } })
    const long = await post('/api/v1/profiles/ensure', { profile_key: 'x'.repeat(101) })

    expect(other.json().code).toBe('VALIDATION_CONFLICT')
    expect(long.json().code).toBe('VALIDATION_FIELD')
  })
})

describe('GET /profiles/{id}', () => {
  it("answers with the original's neighbours", async () => {
    const response = await app.inject(`/api/v1/profiles/${PROFILE_ID.toUpperCase()}`)

    expect(response.json()).toMatchObject({
      profile: { id: PROFILE_ID },
      available_models: [],
      model_presets: {},
    })
  })

  it.each([UNKNOWN_ID, 'nonsense'])('knows no %s', async (id) => {
    const response = await app.inject(`/api/v1/profiles/${id}`)

    expect(response.statusCode).toBe(404)
    expect(response.json().code).toBe('NOT_FOUND_PROFILE')
  })
})

describe('tasks', () => {
  it('are made from the form of agent-inbox', async () => {
    const response = await post('/api/v1/tasks', {
      task: {
        title: 'Chat-initiated task',
        description: 'Do it',
        scope_path: 'agent-inbox/chat-tasks',
        project_root: '/srv/project',
        context_attachments: [{ type: 'note', key: 'k', label: 'l', content: 'c', tags: ['t'] }],
      },
    })

    expect(response.statusCode).toBe(201)
    expect(asked.task).toEqual({
      title: 'Chat-initiated task',
      description: 'Do it',
      scopePath: 'agent-inbox/chat-tasks',
      projectRoot: '/srv/project',
      createdBy: null,
      contextAttachments: [
        { type: 'note', key: 'k', tags: ['t'], path: null, url: null, content: 'c', label: 'l' },
      ],
    })
    expect(response.json().task).toMatchObject({
      id: TASK_ID,
      status: 'TASK_STATUS_QUEUED',
      phase_prompt_ids: [],
    })
  })

  it('are made from the form of ecosystem-manager', async () => {
    const task = { title: 't', description: 'd', scopePath: '/srv/v', projectRoot: '/srv/v', createdBy: 'em' }

    expect((await post('/api/v1/tasks', { task })).statusCode).toBe(201)
    expect(asked.task).toMatchObject({ scopePath: '/srv/v', projectRoot: '/srv/v', createdBy: 'em' })
  })

  it.each([
    [{ title: '' }, 'title'],
    [{ title: 'x'.repeat(256) }, 'title'],
    [{ scope_path: 'a/../../b' }, 'scope_path'],
    [{ description: 'é'.repeat(131_073) }, 'description'],
    [{ description: 'a\u0000b' }, 'description'],
    [{ project_root: '' }, 'project_root'],
    [{ context_attachments: [{ type: 'image' }] }, 'context_attachments[0].type'],
  ])('are refused with %o', async (change, field) => {
    const response = await post('/api/v1/tasks', { task: { title: 't', project_root: '/p', ...change } })

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({ code: 'VALIDATION_FIELD', errors: [{ field: `task.${field}` }] })
  })

  it('may have a scope path with dots in its names', async () => {
    const task = { title: 't', project_root: '/p', scope_path: '..a/b..' }

    expect((await post('/api/v1/tasks', { task })).statusCode).toBe(201)
  })

  it('are found by id', async () => {
    expect((await app.inject(`/api/v1/tasks/${TASK_ID}`)).json().task.id).toBe(TASK_ID)
    expect((await app.inject('/api/v1/tasks/x')).json().code).toBe('NOT_FOUND_TASK')
  })
})
