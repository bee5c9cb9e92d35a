/** ecosystem-manager, as its code stands, against the real service with claude-code and with opencode. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { call, until } from '../support/client.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'
import {
  EcosystemManager,
  INSIGHT_SETTINGS,
  outputOf,
  resultOf,
  type Settings,
  TASK_SETTINGS,
} from './ecosystem-manager-client.ts'
import { agentManager } from './wire/agent-manager.ts'

let worlds: World[]
let service: RunningService
let client: EcosystemManager
beforeAll(async () => {
  worlds = [await makeWorld('demo', 'claude-code'), await makeWorld('demo', 'opencode')]
  service = await startService({ ...worlds[1]?.env, ...worlds[0]?.env })
  client = new EcosystemManager(service.url)
})
afterAll(async () => {
  await service?.end('SIGTERM')
  for (const world of worlds ?? []) await world.cleanUp()
})

const project = (name: string): string => {
  const folder = join(worlds[0]?.base ?? '', name)
  mkdirSync(folder)
  return makeGitProject(folder, GREETER)
}

const RUNNERS = ['RUNNER_TYPE_CLAUDE_CODE', 'RUNNER_TYPE_OPENCODE'] as const

describe.each(RUNNERS)('ecosystem-manager with %s', (runnerType) => {
  const keys = { tasks: `ecosystem-manager-tasks-${runnerType}`, insights: `insights-${runnerType}` }
  const tasks: Settings = { ...TASK_SETTINGS, runnerType }
  const insights: Settings = { ...INSIGHT_SETTINGS, runnerType }

  test('starts up: the service is there, both profiles are made, and the next start finds them', async () => {
    expect(await client.isAvailable()).toBe(true)
    const made = await client.ensureProfile(keys.tasks, tasks)
    await client.ensureProfile(keys.insights, insights)
    const again = await client.ensureProfile(keys.tasks, { ...tasks, maxTurns: 7 })

    expect(made).toMatchObject({
      created: true,
      profile: {
        profileKey: keys.tasks,
        runnerType,
        maxTurns: 60,
        timeout: '1800s',
        allowedTools: tasks.allowedTools,
        skipPermissionPrompt: true,
        createdBy: 'ecosystem-manager',
      },
    })
    expect(again).toEqual({ profile: made['profile'] }) // neither created nor updated
  })

  test('changes its settings: the profile has them afterwards', async () => {
    const { profile } = await client.ensureProfile(keys.tasks, tasks)
    const changed = { ...tasks, maxTurns: 40, timeoutSeconds: 900, skipPermissions: false }

    const updated = await client.updateProfile(profile.id, keys.tasks, changed)

    expect(updated['profile']).toMatchObject({ id: profile.id, maxTurns: 40, timeout: '900s' })
    expect(updated['profile']).not.toHaveProperty('skipPermissionPrompt')
    expect((await client.ensureProfile(keys.tasks, tasks))['profile']).toEqual(updated['profile'])
    await client.updateProfile(profile.id, keys.tasks, tasks)
  })

  test('runs a task in the project itself, twice under one tag, and sees all of it', async () => {
    const root = project(`tasks ${runnerType}`)
    const work = {
      root,
      tag: 'ecosystem-42',
      prompt: 'Greet the world',
      profileKey: keys.tasks,
      settings: tasks,
    }

    const id = await client.start(work)
    const { run, events } = await client.follow(id)

    expect(run).toMatchObject({
      tag: 'ecosystem-42',
      runMode: 'RUN_MODE_IN_PLACE',
      phase: 'RUN_PHASE_COMPLETED',
    })
    const result = resultOf(run)
    expect(result).toMatchObject({
      success: true,
      errorMessage: '',
      output: expect.stringContaining('greet()'),
    })
    expect(result['tokensUsed']).toBeGreaterThan(0)
    expect(result['durationSeconds']).toBeGreaterThan(0)
    expect(events.map((event) => Number(event['sequence']))).toEqual(events.map((_, index) => index + 1))
    const { text, broadcast } = outputOf(events)
    expect(text).toContain('I will look at how the greeting is made.')
    expect(broadcast).toEqual(expect.arrayContaining(['tool read', 'tool edit', 'tool write', 'tool shell']))
    expect(broadcast.at(-1)).toBe('running -> complete')
    expect(readFileSync(join(root, 'src/greet.js'), 'utf8')).toContain("|| 'world'")
    expect(git(root, 'status', '--porcelain').trim().split('\n')).toEqual(['M src/greet.js', '?? test/'])

    git(root, 'checkout', '-q', '--', '.')
    const second = await client.start(work)
    expect(second).not.toBe(id)
    const over = await client.follow(second)
    expect(over.run).toMatchObject({ tag: 'ecosystem-42' })

    // Its cleanup stops every run, over or not.
    await expect(client.stop(second)).rejects.toThrow(/agent-manager error: .*(finished|over|complete)/)
    expect(await client.getRun(second)).toEqual(over.run)
  })

  test('stops what is at work', async () => {
    const root = project(`stopped ${runnerType}`)
    const work = { root, tag: 'ecosystem-8', prompt: 'Greet', profileKey: keys.tasks, settings: tasks }
    const id = await client.start(work)
    await until(
      'the run at work',
      () => client.getRun(id),
      (run) => run?.['status'] === 'RUN_STATUS_RUNNING',
    )

    await client.stop(id)

    const { run, events } = await client.follow(id)
    expect(run['status']).toBe('RUN_STATUS_CANCELLED')
    expect(outputOf(events).broadcast.at(-1)).toBe('running -> cancelled')
  })

  test('asks for insight: only the tools it lists are there, so nothing is written', async () => {
    const root = project(`insight ${runnerType}`)

    const id = await client.start({
      root,
      tag: 'insight-42',
      prompt: 'What stands out?',
      profileKey: keys.insights,
      settings: insights,
      timeoutSeconds: 300,
    })
    const { run, events } = await client.follow(id)

    expect(run['resolvedConfig']).toMatchObject({
      maxTurns: 20,
      timeout: '300s',
      allowedTools: insights.allowedTools,
    })
    expect(outputOf(events).broadcast).toContain('tool read')
    expect(git(root, 'status', '--porcelain')).toBe('')
  })

  test('asks for a run that is not there', async () => {
    expect(await client.getRun('550e8400-e29b-41d4-a716-446655440000')).toBeNull()
  })
})

test("what its operator's tools ask is protobuf's JSON too: runners, a probe, runs", async () => {
  const ask = async (method: string, path: string, message: string) => {
    const { status, body } = await call(service.url, method, path)
    return { status, ...agentManager.decode(message, body, 'ignore') }
  }

  expect(await ask('GET', '/api/v1/runners', 'GetRunnerStatusResponse')).toMatchObject({
    runners: [
      {
        runnerType: 'RUNNER_TYPE_CLAUDE_CODE',
        available: true,
        supportedModels: ['opus', 'sonnet', 'haiku'],
        capabilities: { supportsStreaming: true, supportsCostTracking: true, supportsContinuation: true },
      },
      { runnerType: 'RUNNER_TYPE_OPENCODE', available: true, supportedModels: ['scripted/m'] },
      { runnerType: 'RUNNER_TYPE_CODEX' },
    ],
  })
  expect(await ask('POST', '/api/v1/runners/claude-code/probe', 'ProbeRunnerResponse')).toMatchObject({
    status: 200,
    result: { success: true, latencyMs: expect.stringMatching(/^\d+$/), details: { start: 'ok' } },
  })
  const { runs, total } = z
    .object({ runs: z.array(z.unknown()).default([]), total: z.number().default(0) })
    .parse(await ask('GET', '/api/v1/runs?status=complete', 'ListRunsResponse'))
  expect(runs).toHaveLength(total)
  const models = await call(service.url, 'GET', '/api/v1/runner-models')
  expect(models.body['runners']['claude-code'].models).toHaveLength(3)
})
