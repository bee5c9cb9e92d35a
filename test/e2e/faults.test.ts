/** What goes wrong around a run: the service dies, somebody stops it, callers make mistakes. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call, createRun, eventsOf, FINISHED, type Json, runOf, until, untilRun } from '../support/client.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

let world: World
let service: RunningService
beforeAll(async () => {
  world = await makeWorld('long-tool')
  service = await startService({ ...world.env, AGENT_MANAGER_EXECUTION_LEASE_TTL: '5s' })
})
afterAll(async () => {
  await service.end('SIGTERM')
  await world.cleanUp()
})

const project = (name: string) => {
  mkdirSync(join(world.base, name))
  return makeGitProject(join(world.base, name), GREETER)
}

/** The agent is in the middle of its endless shell command. */
const untilBusy = (id: string) =>
  until(
    'the long tool',
    () => eventsOf(service.url, id),
    (events) => events.some((event) => event['tool_call']?.tool_name === 'shell'),
  )

/** Living processes that carry the marker of a run. */
function processesOf(runId: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`:${runId}:`)
    } catch {
      return false // ended meanwhile, or not ours to read
    }
  })
}

const statuses = (events: readonly Json[]) =>
  events.flatMap((event) =>
    'status' in event ? [`${event['status'].old_status}>${event['status'].new_status}`] : [],
  )

describe('a running agent', () => {
  test('is stopped with everything it started, and the run ends cancelled', async () => {
    const { id } = await createRun(service.url, project('stopped'))
    await untilBusy(id)
    expect(processesOf(id).length).toBeGreaterThan(0)

    const stopped = await call(service.url, 'POST', `/api/v1/runs/${id}/stop`)

    expect(stopped.body).toMatchObject({ status: 'stopped', run: { stopping: true } })
    const run = await untilRun(service.url, id, (now) => FINISHED.includes(now['status']))
    expect(run['status']).toBe('RUN_STATUS_CANCELLED')
    expect(processesOf(id)).toEqual([])
    const again = await call(service.url, 'POST', `/api/v1/runs/${id}/stop`)
    expect([again.status, again.body['code']]).toEqual([409, 'STATE_TERMINAL'])
    const closing = (await eventsOf(service.url, id)).filter(
      (event) => event['status']?.new_status === 'cancelled',
    )
    expect(closing).toHaveLength(1)
  })

  test('dies with a killed service; with the next one on the machine it goes on in its session and sandbox', async () => {
    const { id } = await createRun(service.url, project('killed'))
    await untilBusy(id)
    const before = await eventsOf(service.url, id)

    await service.end('SIGKILL')
    await until(
      'the end of the agent',
      async () => processesOf(id),
      (left) => left.length === 0,
      10_000,
    )
    service = await startService({ ...world.env, AGENT_MANAGER_EXECUTION_LEASE_TTL: '5s' })

    const run = await untilRun(
      service.url,
      id,
      (now) => now['attempt'] === 2 && now['resume_mode'] === 'native',
    )
    expect(run).toMatchObject({ status: 'RUN_STATUS_RUNNING', sandbox_generation: 1, turn: 1 })
    const after = await eventsOf(service.url, id)
    expect(after.slice(0, before.length)).toEqual(before)
    expect(after.map((event) => event['sequence'])).toEqual(after.map((_, index) => index + 1))
    expect(statuses(after)).toEqual([
      'null>pending',
      'pending>starting',
      'starting>running',
      'running>pending',
      'pending>starting',
      'starting>running',
    ])
    await call(service.url, 'POST', `/api/v1/runs/${id}/stop`)
    await untilRun(service.url, id, (now) => now['status'] === 'RUN_STATUS_CANCELLED')
  })

  test('whose profile says on_lost restart starts over in a fresh sandbox, and the old one goes', async () => {
    const { id } = await createRun(service.url, project('restarted'), { profile: { on_lost: 'restart' } })
    await untilBusy(id)
    const { sandbox_id: before } = await runOf(service.url, id)
    await service.end('SIGKILL')
    service = await startService({ ...world.env, AGENT_MANAGER_EXECUTION_LEASE_TTL: '5s' })

    const run = await untilRun(
      service.url,
      id,
      (now) => now['attempt'] === 2 && now['status'] === 'RUN_STATUS_RUNNING',
    )
    expect(run).toMatchObject({ resume_mode: 'fresh', sandbox_generation: 2, turn: 1 })
    await until(
      'the end of the sandbox that was left',
      async () => sandboxFolders(),
      (left) => !left.includes(before),
    )
    await call(service.url, 'POST', `/api/v1/runs/${id}/stop`)
    await untilRun(service.url, id, (now) => now['status'] === 'RUN_STATUS_CANCELLED')
  })

  test('of a service that was paused past its lease starts over, and its log goes on', async () => {
    const { id } = await createRun(service.url, project('paused'))
    await untilBusy(id)
    const before = await eventsOf(service.url, id)

    process.kill(service.pid, 'SIGSTOP')
    const pausedAt = performance.now()
    await until(
      'the lease to run out',
      async () => performance.now() - pausedAt,
      (ms) => ms > 7000,
    )
    process.kill(service.pid, 'SIGCONT')

    await untilRun(service.url, id, (now) => now['attempt'] === 2 && now['status'] === 'RUN_STATUS_RUNNING')
    const after = await eventsOf(service.url, id)
    expect(after.slice(0, before.length)).toEqual(before)
    expect(after.map((event) => event['sequence'])).toEqual(after.map((_, index) => index + 1))
    await call(service.url, 'POST', `/api/v1/runs/${id}/stop`)
    await untilRun(service.url, id, (now) => now['status'] === 'RUN_STATUS_CANCELLED')
  })

  test('is handed back by a drain and goes on after the next start', async () => {
    const { id } = await createRun(service.url, project('drained'))
    await untilBusy(id)

    expect((await service.end('SIGTERM')).code).toBe(0)
    expect(processesOf(id)).toEqual([])
    service = await startService({ ...world.env, AGENT_MANAGER_EXECUTION_LEASE_TTL: '5s' })

    await untilRun(service.url, id, (now) => now['attempt'] === 2 && now['status'] === 'RUN_STATUS_RUNNING')
    expect(statuses(await eventsOf(service.url, id)).slice(0, 4)).toEqual([
      'null>pending',
      'pending>starting',
      'starting>running',
      'running>pending',
    ])
    await call(service.url, 'POST', `/api/v1/runs/${id}/stop`)
    await untilRun(service.url, id, (now) => now['status'] === 'RUN_STATUS_CANCELLED')
  })

  test('that takes longer than its timeout fails and says so', async () => {
    const { id } = await createRun(service.url, project('slow'), {
      run: { inline_config: { idle_timeout: '2s' } },
    })

    const run = await untilRun(service.url, id, (now) => FINISHED.includes(now['status']))

    expect(run).toMatchObject({ status: 'RUN_STATUS_FAILED', failure: { code: 'idle_timeout' } })
    expect(processesOf(id)).toEqual([])
  })
})

const sandboxFolders = (): string[] =>
  readdirSync(join(world.dataDir, 'sandboxes')).filter((name) => /^[0-9a-f-]{36}$/.test(name))

describe('bad input is refused in words and makes nothing', () => {
  const post = (path: string, body: unknown) => call(service.url, 'POST', path, body)
  const total = async () => (await call(service.url, 'GET', '/api/v1/runs')).body['total']

  test.each([
    [
      'a missing project root',
      { project_root: '/does/not/exist' },
      422,
      'VALIDATION_PROJECT_ROOT',
      'project_root',
    ],
    ['a relative project root', { project_root: 'here' }, 422, 'VALIDATION_PROJECT_ROOT', 'project_root'],
    [
      'a project root that is a file',
      { project_root: '/etc/passwd' },
      422,
      'VALIDATION_PROJECT_ROOT',
      'project_root',
    ],
    ['a scope outside', { scope_path: '/etc' }, 422, 'VALIDATION_SCOPE', 'scope_path'],
    ['an unknown field', { colour: 'red' }, 400, 'VALIDATION_UNKNOWN_FIELD', 'colour'],
    ['a missing title', { title: '' }, 400, 'VALIDATION_FIELD', 'title'],
  ])('%s', async (_, change, status, code, named) => {
    const answer = await post('/api/v1/tasks', {
      task: { title: 't', description: 'd', scope_path: '.', project_root: world.base, ...change },
    })

    expect([answer.status, answer.body['code']]).toEqual([status, code])
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(answer.body['detail']).toContain(named)
  })

  test('malformed JSON, unknown ids, missing runners', async () => {
    const runs = await total()
    const root = project('bad input')
    const task = (
      await post('/api/v1/tasks', {
        task: { title: 't', description: 'd', scope_path: '.', project_root: root },
      })
    ).body['task']
    const unknown = '01990000-0000-7000-8000-000000000000'
    const answers = [
      await post('/api/v1/tasks', '{"task": '),
      await post('/api/v1/runs', { task_id: unknown }),
      await post('/api/v1/runs', { task_id: task.id, agent_profile_id: unknown }),
      await post('/api/v1/runs', { task_id: task.id, inline_config: { runner_type: 'codex' } }),
      await post('/api/v1/runs', {
        task_id: task.id,
        inline_config: { runner_type: 'opencode', containment: 'required', network: 'deny' },
      }),
      await call(service.url, 'GET', `/api/v1/runs/${unknown}/events`),
      await call(service.url, 'GET', '/api/v1/nothing/here'),
    ]
    expect(answers.map(({ status, body }) => [status, body['code']])).toEqual([
      [400, 'VALIDATION_FORMAT'],
      [404, 'NOT_FOUND_TASK'],
      [404, 'NOT_FOUND_PROFILE'],
      [422, 'RUNNER_UNAVAILABLE'],
      [422, 'RUNNER_CAPABILITY'],
      [404, 'NOT_FOUND_RUN'],
      [404, 'NOT_FOUND_ROUTE'],
    ])
    expect(await total()).toBe(runs)
  })

  test('a scope that does not exist is made in the sandbox only', async () => {
    const root = project('vanishing')
    writeFileSync(join(root, 'note.txt'), 'x')
    const { id } = await createRun(service.url, root, { task: { scope_path: 'sub/folder' } })
    await untilBusy(id)
    const events = await eventsOf(service.url, id)
    expect(events.some((event) => event['sandbox']?.action === 'created')).toBe(true)
    expect(git(root, 'status', '--porcelain').trim()).toBe('?? note.txt')
    await call(service.url, 'POST', `/api/v1/runs/${id}/stop`)
    await untilRun(service.url, id, (now) => now['status'] === 'RUN_STATUS_CANCELLED')
  })

  test('an idempotency key answers the same run, and another body is refused', async () => {
    const root = project('idempotent')
    const task = (
      await post('/api/v1/tasks', {
        task: { title: 't', description: 'd', scope_path: '.', project_root: root },
      })
    ).body['task']
    const body = { task_id: task.id, idempotency_key: 'key-1', inline_config: { runner_type: 'opencode' } }
    const answers = await Promise.all(Array.from({ length: 8 }, () => post('/api/v1/runs', body)))
    expect(new Set(answers.map((answer) => answer.body['run']?.id)).size).toBe(1)
    const other = await post('/api/v1/runs', { ...body, tag: 'other' })
    expect([other.status, other.body['code']]).toEqual([422, 'IDEMPOTENCY_MISMATCH'])
    const id = answers[0]?.body['run'].id
    await call(service.url, 'POST', `/api/v1/runs/${id}/stop`)
    await untilRun(service.url, id, (now) => now['status'] === 'RUN_STATUS_CANCELLED')
  })
})
