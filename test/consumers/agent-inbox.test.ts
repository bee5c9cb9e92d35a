/** agent-inbox, as its code stands: every request in its form and order, against the real service and claude-code. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call, until } from '../support/client.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'
import {
  approveAgentChanges,
  type Behavior,
  checkAgentStatus,
  discover,
  follow,
  getAgentDiff,
  listActiveAgents,
  reconcile,
  spawnCodingAgent,
  stopAgent,
} from './agent-inbox-client.ts'

const GREETING = {
  name: 'greeting',
  steps: [
    { tool_calls: [{ tool: 'write', path: 'greeting.txt', content: 'Hello\n' }], delay_ms: 200 },
    { text: 'I wrote greeting.txt.' },
  ],
}

let world: World
let service: RunningService
let behavior: Behavior
beforeAll(async () => {
  world = await makeWorld(GREETING, 'claude-code')
  service = await startService(world.env)
  const { tools } = await discover(service.url)
  behavior = tools.find(({ name }: { name: string }) => name === 'spawn_coding_agent').metadata.asyncBehavior
})
afterAll(async () => {
  await service?.end('SIGTERM')
  await world?.cleanUp()
})

const project = (name: string): string => {
  mkdirSync(join(world.base, name))
  return makeGitProject(join(world.base, name), GREETER)
}
const spawn = (workspacePath: string) =>
  spawnCodingAgent(service.url, {
    task: 'Greet somebody in a file.',
    runnerType: 'RUNNER_TYPE_CLAUDE_CODE',
    workspacePath,
    timeoutMinutes: 30,
    notes: [
      { type: 'note', key: 'chat', label: 'The chat', content: 'Somebody wants a greeting.', tags: ['chat'] },
    ],
  })

describe('a chat', () => {
  test('discovers six tools and how to follow them', async () => {
    const manifest = await discover(service.url)

    expect(manifest['protocolVersion']).toBe('1.0')
    expect(manifest['tools']).toHaveLength(6)
    expect(behavior['statusPolling']).toEqual({
      statusTool: 'check_agent_status',
      operationIdField: 'run_id',
      statusToolIdParam: 'run_id',
      pollIntervalSeconds: 5,
      maxPollDurationSeconds: 3600,
    })
  })

  test('spawns an agent, follows it, sees its diff and approves it with nothing in the request', async () => {
    const root = project('approved')
    const spawned = await spawn(root)
    expect(spawned).toMatchObject({ success: true, status: 'RUN_STATUS_PENDING' })

    const followed = await follow(service.url, spawned.run_id, behavior)
    expect(followed).toMatchObject({
      outcome: 'success',
      status: 'RUN_STATUS_NEEDS_REVIEW',
      error: null,
      result: { description: 'I wrote greeting.txt.' },
    })
    for (const { percent, message, phase } of followed.progress) {
      expect(percent).toBeTypeOf('number')
      expect(message).toBeTypeOf('string')
      expect(phase).toMatch(/^RUN_PHASE_/)
    }
    const percents = followed.progress.map(({ percent }) => Number(percent))
    expect(percents).toEqual(percents.toSorted((a, b) => a - b))

    const { diff } = await getAgentDiff(service.url, spawned.run_id)
    expect(diff).toMatchObject({
      run_id: spawned.run_id,
      content: expect.stringContaining('+Hello'),
      files: [{ path: 'agent-inbox/chat-tasks/greeting.txt', change_type: 'added', additions: 1 }],
    })
    expect(git(root, 'status', '--porcelain')).toBe('')

    const approved = await approveAgentChanges(service.url, spawned.run_id)
    expect(approved).toMatchObject({ status: 200, body: { result: { success: true, files_applied: 1 } } })
    expect(readFileSync(join(root, 'agent-inbox/chat-tasks/greeting.txt'), 'utf8')).toBe('Hello\n')
    expect(git(root, 'log', '-1', '--format=%H').trim()).toBe(approved.body['result'].commit_hash)
    expect((await approveAgentChanges(service.url, spawned.run_id)).status).toBe(200)
    expect(await follow(service.url, spawned.run_id, behavior)).toMatchObject({
      status: 'RUN_STATUS_COMPLETE',
    })
  })

  test('lists the agents at work, and those only', async () => {
    const { run_id: id } = await spawn(project('listed'))
    const during = await until(
      'the run in the list',
      () => listActiveAgents(service.url),
      ({ runs }) => runs.length > 0,
    )
    expect(during['runs']).toMatchObject([{ id, status: 'RUN_STATUS_RUNNING' }])

    await follow(service.url, id, behavior)
    expect((await listActiveAgents(service.url))['runs']).toEqual([])
  })

  test('stops an agent with nothing in the request; once it is over that is a conflict', async () => {
    const { run_id: id } = await spawn(project('stopped'))

    expect([200, 204]).toContain((await stopAgent(service.url, id)).status)
    const followed = await follow(service.url, id, behavior)
    expect(followed).toMatchObject({ outcome: 'failure', status: 'RUN_STATUS_CANCELLED' })
    expect((await stopAgent(service.url, id)).status).toBe(409)
  })

  test('that asks for what is not there is told why', async () => {
    const unknown = '550e8400-e29b-41d4-a716-446655440000'

    await expect(checkAgentStatus(service.url, unknown)).rejects.toThrow('404')
    await expect(getAgentDiff(service.url, unknown)).rejects.toThrow('404')
    expect((await approveAgentChanges(service.url, unknown)).status).toBe(404)
    await expect(spawn(join(world.base, 'no-such-project'))).rejects.toThrow('project_root')
  })
})

describe('a restart of both', () => {
  test('finds each call as it is', async () => {
    const done = await spawn(project('done'))
    await follow(service.url, done.run_id, behavior)
    const stopped = await spawn(project('stopped too'))
    await stopAgent(service.url, stopped.run_id)
    await follow(service.url, stopped.run_id, behavior)
    const failing = await spawnFailing()
    const going = await spawn(project('going'))

    await service.end('SIGKILL')
    service = await startService(world.env)

    expect(await reconcile(service.url, going.run_id)).toEqual({ outcome: 'goes on', error: null })
    expect(await reconcile(service.url, done.run_id)).toEqual({ outcome: 'completed', error: null })
    expect(await reconcile(service.url, stopped.run_id)).toEqual({ outcome: 'cancelled', error: null })
    expect(await reconcile(service.url, failing)).toEqual({ outcome: 'failed', error: expect.any(String) })
    await follow(service.url, going.run_id, behavior)
    expect(await reconcile(service.url, going.run_id)).toEqual({ outcome: 'completed', error: null })
  })
})

/** A run that fails: one model call is too few for what its script does. */
async function spawnFailing(): Promise<string> {
  const task = await call(service.url, 'POST', '/api/v1/tasks', {
    task: { title: 't', description: 'd', scope_path: '.', project_root: project('failing') },
  })
  const run = await call(service.url, 'POST', '/api/v1/runs', {
    task_id: task.body['task'].id,
    inline_config: { runner_type: 'RUNNER_TYPE_CLAUDE_CODE', max_turns: 1 },
  })
  const id = run.body['run'].id
  expect(await follow(service.url, id, behavior)).toMatchObject({
    outcome: 'failure',
    error: expect.any(String),
  })
  return id
}
