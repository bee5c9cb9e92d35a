/** The tool manifest and the routes about runners, over use cases that are given. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'

const { deps, asked } = apiDeps()
let app: Awaited<ReturnType<typeof buildServer>>
beforeAll(async () => {
  app = await buildServer(deps)
})
afterAll(() => app.close())

const get = (url: string) => app.inject({ url, headers: { host: 'localhost' } })

describe('GET /api/v1/tools', () => {
  it('tells the six tools, to be kept for a minute', async () => {
    const answer = await get('/api/v1/tools')

    expect(answer.statusCode).toBe(200)
    expect(answer.headers['cache-control']).toBe('public, max-age=60')
    expect(answer.json()).toMatchObject({
      protocolVersion: '1.0',
      scenario: { name: 'agent-manager', version: '0.1.0' },
      generatedAt: expect.stringMatching(/Z$/),
    })
    expect(answer.json().tools.map(({ name }: { name: string }) => name)).toEqual([
      'spawn_coding_agent',
      'check_agent_status',
      'stop_agent',
      'list_active_agents',
      'get_agent_diff',
      'approve_agent_changes',
    ])
  })

  it('names only categories, tools and parameters that exist', async () => {
    const { tools, categories } = (await get('/api/v1/tools')).json()
    const named = new Map(tools.map((tool: { name: string }) => [tool.name, tool]))

    for (const tool of tools) {
      expect(categories.map(({ id }: { id: string }) => id)).toContain(tool.category)
      expect(Object.keys(tool.parameters.properties)).toEqual(
        expect.arrayContaining(tool.parameters.required),
      )
      for (const { input } of tool.metadata.examples) {
        expect(Object.keys(tool.parameters.properties)).toEqual(
          expect.arrayContaining(Object.keys(input.fields)),
        )
      }
    }
    const { statusPolling, cancellation } = tools[0].metadata.asyncBehavior
    expect(named.get(statusPolling.statusTool)).toMatchObject({
      parameters: { properties: { [statusPolling.statusToolIdParam]: {} } },
    })
    expect(named.get(cancellation.cancelTool)).toMatchObject({
      parameters: { properties: { [cancellation.cancelToolIdParam]: {} } },
    })
  })

  it('names paths that are members of our answers, and every status that a run may have', async () => {
    const { asyncBehavior } = (await get('/api/v1/tools/spawn_coding_agent')).json().metadata
    const { completionConditions: done, progressTracking } = asyncBehavior
    const paths = [done.statusField, done.errorField, done.resultField, ...Object.values(progressTracking)]

    for (const path of paths) expect(memberAt('/api/v1/runs/{id}', String(path)), String(path)).toBeDefined()
    const known = [...done.successValues, ...done.failureValues, ...done.pendingValues]
    const status = z.object({ enum: z.array(z.string()) }).parse(memberAt('/api/v1/runs/{id}', 'run.status'))
    expect(known).toEqual(expect.arrayContaining(status.enum))
  })

  it('offers the runners that this build has', async () => {
    const { parameters } = (await get('/api/v1/tools/spawn_coding_agent')).json()

    expect(parameters.properties.runner_type).toMatchObject({
      enum: ['claude-code', 'opencode'],
      default: { stringValue: 'claude-code' },
    })
  })

  it('tells one tool, and says which there is none of', async () => {
    const one = await get('/api/v1/tools/stop_agent')
    const none = await get('/api/v1/tools/make_coffee')

    expect([one.statusCode, one.headers['cache-control']]).toEqual([200, 'public, max-age=60'])
    expect(one.json().name).toBe('stop_agent')
    expect([none.statusCode, none.json().code, none.headers['cache-control']]).toEqual([
      404,
      'NOT_FOUND_TOOL',
      'no-store',
    ])
  })

  it.each(['/api/v1/tools', '/api/v1/tools/stop_agent'])('answers OPTIONS %s with nothing', async (url) => {
    const answer = await app.inject({ method: 'OPTIONS', url, headers: { host: 'localhost' } })

    expect([answer.statusCode, answer.body]).toEqual([204, ''])
  })
})

describe('POST /api/v1/runners/{runner_type}/probe', () => {
  const probe = (type: string) =>
    app.inject({ method: 'POST', url: `/api/v1/runners/${type}/probe`, headers: { host: 'localhost' } })

  it.each([
    ['codex', 'codex'],
    ['RUNNER_TYPE_CODEX', 'codex'],
    ['2', 'codex'],
    ['claude-code', 'claude-code'],
    ['CLAUDE_CODE', 'claude-code'],
    ['3', 'opencode'],
  ])('knows %s as %s', async (spelled, type) => {
    const answer = await probe(spelled)

    expect([answer.statusCode, asked.check]).toEqual([200, type])
  })

  it('answers 200 with what is wrong', async () => {
    expect((await probe('opencode')).json()).toEqual({
      result: { success: false, latency_ms: 12, error: 'it has no key', details: { access: 'none' } },
    })
  })

  it.each(['cursor', '0', '4', 'RUNNER_TYPE_UNSPECIFIED', '%20'])('refuses %s', async (type) => {
    const answer = await probe(type)

    expect([answer.statusCode, answer.json().code]).toEqual([400, 'VALIDATION_FIELD'])
  })
})

it('refuses a path that no database can keep', async () => {
  const answer = await get('/api/v1/tools/a%00b')

  expect([answer.statusCode, answer.json().code, answer.json().errors[0].field]).toEqual([
    400,
    'VALIDATION_FIELD',
    'name',
  ])
})

describe('GET /api/v1/runner-models', () => {
  it('lists what the runners know, and no preset that does not work', async () => {
    expect((await get('/api/v1/runner-models')).json()).toEqual({
      version: 1,
      fallbackRunnerTypes: [],
      runners: {
        opencode: { models: [{ id: 'scripted/m', description: 'Scripted' }], presets: {} },
      },
    })
  })
})

const document: unknown = JSON.parse(readFileSync(new URL('../../api/openapi.json', import.meta.url), 'utf8'))

/** The schema of a member of the 200 answer to GET, by its dotted path. */
function memberAt(route: string, path: string): unknown {
  const answer = ['paths', route, 'get', 'responses', '200', 'content', 'application/json', 'schema']
  let schema = at(document, answer)
  for (const step of path.split('.')) schema = at(resolved(schema), ['properties', step])
  return resolved(schema)
}

function resolved(schema: unknown): unknown {
  const ref = at(schema, ['$ref'])
  if (typeof ref === 'string') return resolved(at(document, ref.slice(2).split('/')))
  const choices = at(schema, ['anyOf'])
  return Array.isArray(choices) ? resolved(choices[0]) : schema
}

const at = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (one, key) => (typeof one === 'object' && one !== null ? Reflect.get(one, key) : undefined),
    value,
  )
