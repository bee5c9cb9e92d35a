import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { aProfile, RUN_ID, TASK_ID } from '../support/api-values.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const create = (settings: object) =>
  app.inject({
    method: 'POST',
    url: '/api/v1/profiles',
    payload: { profile: { name: 'n', ...settings } },
  })

const run = (inlineConfig: object) =>
  app.inject({ method: 'POST', url: '/api/v1/runs', payload: { task_id: TASK_ID, inlineConfig } })

const wire = {
  allowed_tools: ['read', 'Bash(git log:*)', 'mcp:docs'],
  denied_tools: ['web_fetch'],
  allowed_paths: ['src/**', '*.md'],
  denied_paths: ['src/secret/**'],
  interaction_timeout: '90s',
  interaction_default: 'allow',
  on_lost: 'fail',
  mcp_servers: [
    { name: 'docs', command: '/usr/bin/docs', args: ['--stdio'], env: ['DOCS_TOKEN'] },
    { name: 'web', url: 'https://mcp.example/x?y=1', headers_env: { 'X-Api-Key': 'WEB_KEY' } },
  ],
  trust_project: true,
}

const inside = {
  allowedTools: wire.allowed_tools,
  deniedTools: wire.denied_tools,
  allowedPaths: wire.allowed_paths,
  deniedPaths: wire.denied_paths,
  interactionTimeoutMs: 90_000,
  interactionDefault: 'allow',
  onLost: 'fail',
  mcpServers: [
    { name: 'docs', command: '/usr/bin/docs', args: ['--stdio'], env: ['DOCS_TOKEN'] },
    { name: 'web', url: 'https://mcp.example/x?y=1', headersEnv: { 'X-Api-Key': 'WEB_KEY' } },
  ],
  trustProject: true,
}

describe('settings', () => {
  it('come in and go out', async () => {
    const response = await create(wire)

    expect(response.statusCode).toBe(201)
    expect(asked.profile?.settings).toEqual(inside)
    expect(response.json().profile).toMatchObject(wire)
  })

  it('come in by camelCase, down to the servers; header names stay as they are', async () => {
    const { mcp_servers: servers, ...plain } = wire
    const [docs, { headers_env: headersEnv, ...web } = {}] = servers
    const camel = Object.fromEntries(
      Object.entries(plain).map(([name, value]) => [
        name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
        value,
      ]),
    )

    const response = await run({ ...camel, mcpServers: [docs, { ...web, headersEnv }] })

    expect(response.statusCode).toBe(201)
    expect(asked.run?.inlineConfig).toEqual(inside)
  })

  it('are taken back as they were given out', async () => {
    await create(wire)
    const settings = asked.profile?.settings ?? {}
    const get = async () => aProfile({ profileKey: 'k', name: 'K', createdBy: null, settings })
    const other = await buildServer(apiDeps({ profiles: { ...deps.profiles, get } }).deps)
    const { profile } = (await other.inject(`/api/v1/profiles/${RUN_ID}`)).json()

    await create(profile)

    expect(profile.profile_key).toBe('k')
    expect(asked.profile?.settings).toEqual(inside)
    await other.close()
  })

  it('that say nothing are unset', async () => {
    const nothing = {
      allowed_tools: [],
      deniedTools: null,
      allowed_paths: [],
      denied_paths: [],
      interaction_timeout: '',
      interaction_default: '',
      on_lost: null,
      mcp_servers: [],
      trust_project: null,
    }

    const response = await create(nothing)

    expect(asked.profile?.settings).toEqual({})
    expect(response.json().profile).toMatchObject({
      allowed_tools: [],
      interaction_timeout: null,
      interaction_default: null,
      on_lost: null,
      mcp_servers: [],
      trust_project: null,
    })
  })

  it('of a run are shown as they were resolved, with where they came from', async () => {
    const shown = (await app.inject(`/api/v1/runs/${RUN_ID}`)).json().run

    expect(shown.resolved_config).toMatchObject({
      allowed_tools: ['read', 'Bash(git log:*)'],
      denied_tools: ['web_fetch'],
      allowed_paths: ['src/**'],
      denied_paths: ['src/secret/**'],
      interaction_timeout: '300s',
      interaction_default: 'deny',
      on_lost: 'resume',
      mcp_servers: [
        { name: 'docs', command: 'docs-server', args: ['--stdio'], env: ['DOCS_TOKEN'] },
        { name: 'web', url: 'https://mcp.example/', headers_env: { Authorization: 'WEB_TOKEN' } },
      ],
      trust_project: false,
    })
    expect(shown.config_sources).toMatchObject({
      allowed_tools: 'inline',
      denied_tools: 'profile',
      interaction_timeout: 'default',
      mcp_servers: 'profile',
      on_lost: 'default',
      trust_project: 'default',
    })
  })

  it('of a profile are dropped by a run that clears them, or replaced', async () => {
    await run({ clear_allowed_tools: true, clearDeniedPaths: true, clear_denied_tools: false })
    expect(asked.run?.inlineConfig).toEqual({ allowedTools: [], deniedPaths: [] })

    await run({ clear_denied_tools: true, denied_tools: ['shell'], clear_allowed_paths: true })
    expect(asked.run?.inlineConfig).toEqual({ deniedTools: ['shell'], allowedPaths: [] })
  })
})

describe('lists', () => {
  it('of 200 are long enough', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`)

    expect((await create({ allowed_tools: many(200), denied_paths: many(200) })).statusCode).toBe(201)
    for (const list of ['allowed_tools', 'denied_tools', 'allowed_paths', 'denied_paths']) {
      const response = await create({ [list]: many(201) })
      expect(response.json()).toMatchObject({ code: 'VALIDATION_FIELD', errors: [{ rule: 'max' }] })
    }
  })

  it.each([
    [{ allowed_tools: [''] }, 'allowed_tools[0]'],
    [{ denied_tools: ['x'.repeat(256)] }, 'denied_tools[0]'],
    [{ denied_tools: ['read', 'a\nb'] }, 'denied_tools[1]'],
    [{ allowed_tools: 'read' }, 'allowed_tools'],
    [{ allowed_paths: ['/etc/**'] }, 'allowed_paths[0]'],
    [{ denied_paths: ['a/../../b'] }, 'denied_paths[0]'],
    [{ denied_paths: ['..'] }, 'denied_paths[0]'],
    [{ denied_paths: ['secret/'] }, 'denied_paths[0]'],
    [{ denied_paths: ['./secret'] }, 'denied_paths[0]'],
    [{ denied_paths: ['x'.repeat(1025)] }, 'denied_paths[0]'],
    [{ interaction_timeout: '0.5s' }, 'interaction_timeout'],
    [{ interaction_timeout: '25h' }, 'interaction_timeout'],
    [{ interaction_default: 'ask' }, 'interaction_default'],
    [{ on_lost: 'retry' }, 'on_lost'],
    [{ trust_project: 'yes' }, 'trust_project'],
  ])('and words are refused by name: %#', async (settings, field) => {
    const response = await create(settings)

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({
      code: 'VALIDATION_FIELD',
      errors: [{ field: `profile.${field}` }],
    })
  })

  it('may name folders with dots', async () => {
    expect((await create({ denied_paths: ['.git/**', '..a/b..', '**/.env'] })).statusCode).toBe(201)
  })

  it.each([
    [{ allowed_tools: ['read', 'shell'], denied_tools: ['shell'] }, 'denied_tools'],
    // The same tool by our name and by claude's.
    [{ allowed_tools: ['shell'], denied_tools: ['Bash'] }, 'denied_tools'],
    [{ allowed_paths: ['a', 'b'], denied_paths: ['b'] }, 'denied_paths'],
  ])('allow or deny a thing, not both: %j', async (settings, field) => {
    for (const response of [await create(settings), await run(settings)]) {
      expect(response.statusCode).toBe(400)
      expect(response.json().code).toBe('VALIDATION_CONFLICT')
      expect(response.json().errors[0].field).toMatch(new RegExp(`^(profile|inline_config)\\.${field}$`))
    }
  })

  it('may allow a tool and deny a use of it', async () => {
    const response = await create({ allowed_tools: ['shell'], denied_tools: ['Bash(git push:*)'] })

    expect(response.statusCode).toBe(201)
  })
})

describe('an MCP server', () => {
  it('needs no more than a name and a program or an address', async () => {
    await create({
      mcp_servers: [
        { name: 'a', command: 'x', url: '', headers_env: {} },
        { name: 'b', url: 'http://127.0.0.1:9000', command: null, args: [], env: [] },
      ],
    })

    expect(asked.profile?.settings.mcpServers).toEqual([
      { name: 'a', command: 'x', args: [], env: [] },
      { name: 'b', url: 'http://127.0.0.1:9000', headersEnv: {} },
    ])
  })

  it.each([
    [{}, 'command'],
    [{ command: 'x', url: 'http://a' }, 'url'],
    [{ command: 'x', headers_env: { A: 'B' } }, 'headers_env'],
    [{ url: 'http://a', args: ['x'] }, 'args'],
    [{ url: 'http://a', env: ['X'] }, 'env'],
    [{ name: 'a b', command: 'x' }, 'name'],
    [{ name: '', command: 'x' }, 'name'],
    [{ name: 'x'.repeat(65), command: 'x' }, 'name'],
    [{ command: 'x', env: ['A=secret'] }, 'env[0]'],
    [{ url: 'http://a', headers_env: { 'X-Key': 'not a name' } }, 'headers_env.X-Key'],
    [{ url: 'http://a', headers_env: { 'X Key': 'KEY' } }, 'headers_env.X Key'],
    [{ url: 'ftp://a' }, 'url'],
    [{ url: 'a.example' }, 'url'],
    [{ url: 'https://user:hunter2@a.example' }, 'url'],
    [{ url: 'https://token@a.example' }, 'url'],
  ])('is refused by name: %j', async (server, field) => {
    const response = await create({
      mcp_servers: [
        { name: 'ok', command: 'x' },
        { name: 's', ...server },
      ],
    })

    expect(response.statusCode).toBe(400)
    expect(response.json()).toMatchObject({
      code: 'VALIDATION_FIELD',
      errors: [{ field: `profile.mcp_servers[1].${field}` }],
    })
    expect(response.body).not.toContain('hunter2')
  })

  it('has a name of its own and no members we do not know', async () => {
    const twice = await create({
      mcp_servers: [
        { name: 'a', command: 'x' },
        { name: 'b', command: 'x' },
        { name: 'a', url: 'http://a' },
      ],
    })
    const secret = await create({ mcpServers: [{ name: 'a', command: 'x', headers: { A: 'b' } }] })

    expect(twice.json()).toMatchObject({
      code: 'VALIDATION_FIELD',
      errors: [{ field: 'profile.mcp_servers[2].name', rule: 'unique' }],
    })
    expect(secret.json()).toMatchObject({
      code: 'VALIDATION_UNKNOWN_FIELD',
      errors: [{ field: 'profile.mcpServers[0].headers' }],
    })
  })
})
