/** A run before it is made, and a finished one once more: on a real database and the real stand-in. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readEvents } from '../../internal/event/event-store.ts'
import { firstPrompt } from '../../internal/run/input-store.ts'
import type { RunFilter } from '../../internal/run/run.ts'
import type { NewRun } from '../../internal/run/run-service.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type RunUseCases, runUseCases } from '../support/run-service.ts'
import { makeProject } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

let database: TestDatabase
let server: SandboxServer
let projectRoot: string
let use: RunUseCases
beforeAll(async () => {
  database = await createTestDatabase()
  server = await startSandboxServer({})
  projectRoot = await makeProject()
  use = runUseCases(database, server)
})
afterAll(async () => {
  await server.stop()
  await database.close()
})

const NOTHING = { contextAttachments: [], createdBy: null }
const aTask = (root = projectRoot, description = 'do it') =>
  use.tasks.create({ title: 'a task', description, scopePath: '', projectRoot: root, ...NOTHING })
const wish = (taskId: string, change: Partial<NewRun> = {}): NewRun => ({
  taskId,
  profileId: null,
  profileRef: null,
  tag: null,
  runMode: null,
  inlineConfig: { runnerType: 'opencode' },
  force: false,
  prompt: null,
  idempotencyKey: null,
  ...change,
})
const countRuns = async (filter: Partial<RunFilter> = {}) =>
  (
    await use.runs.list(
      { status: null, taskId: null, profileId: null, tagPrefix: null, ...filter },
      { size: 1, after: null, offset: 0 },
    )
  ).total

describe('a dry run', () => {
  test('finds nothing in the way of a run that would be made, and makes nothing', async () => {
    const task = await aTask()
    const before = await countRuns()
    const plan = await use.runs.preflight(
      wish(task.id, {
        profileRef: {
          profileKey: 'new',
          defaults: {
            profileKey: 'new',
            name: 'new',
            createdBy: null,
            settings: { runnerType: 'claude-code' },
          },
        },
      }),
    )
    expect(plan.checks.filter(({ ok }) => !ok)).toEqual([])
    expect(plan.checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'task',
        'project_root',
        'profile',
        'runner',
        'provider_access',
        'sandbox_service',
        'prompt',
      ]),
    )
    expect(plan.resolved).toMatchObject({ mode: 'sandboxed', config: { runnerType: 'opencode' } })
    expect(await countRuns()).toBe(before)
    expect(await use.profiles.findByKey('new')).toBeNull()
  })

  test('tells of everything that is in the way at once, as creating it tells of the first', async () => {
    const root = await mkdtemp(join(tmpdir(), 'dry-run-'))
    const strict = runUseCases(database, server, {
      allowInPlace: false,
      containment: 'process',
      dataDir: join(root, 'data'),
    })
    const task = await aTask(root, '')
    const wanted = wish(task.id, {
      runMode: 'in_place',
      inlineConfig: {
        runnerType: 'opencode',
        env: ['DATABASE_URL'],
        containment: 'required',
        network: 'deny',
        allowedTools: ['mcp:nowhere'],
      },
    })
    const plan = await strict.runs.preflight(wanted)
    const broken = plan.checks.filter(({ ok }) => !ok)
    expect(broken.map(({ name, code }) => [name, code])).toEqual([
      ['run_mode', 'POLICY_SANDBOX_REQUIRED'],
      ['data_folder', 'VALIDATION_PROJECT_ROOT'],
      ['env', 'VALIDATION_FIELD'],
      ['tools', 'RUNNER_CAPABILITY'],
      ['containment', 'RUNNER_CAPABILITY'],
      ['network', 'RUNNER_CAPABILITY'],
      ['prompt', 'VALIDATION_FIELD'],
    ])
    for (const { detail, fix } of broken) expect([detail, fix]).not.toContain(null)
    await expect(strict.runs.create(wanted)).rejects.toMatchObject({ code: 'POLICY_SANDBOX_REQUIRED' })
    await rm(root, { recursive: true })
  })

  test('does not look at what hangs on something that is missing', async () => {
    const plan = await use.runs.preflight(wish(uuid(), { profileId: uuid() }))
    expect(plan.checks.map(({ name, ok, code }) => [name, ok, code])).toEqual([
      ['task', false, 'NOT_FOUND_TASK'],
      ['profile', false, 'NOT_FOUND_PROFILE'],
    ])
    expect(plan.resolved).toBeNull()
    const gone = await mkdtemp(join(tmpdir(), 'dry-run-'))
    const task = await aTask(gone)
    await rm(gone, { recursive: true })
    expect((await use.runs.preflight(wish(task.id))).checks).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'project_root', code: 'VALIDATION_PROJECT_ROOT' }),
      ]),
    )
  })

  test('misses the way to a model: no key, no login', async () => {
    const home = await mkdtemp(join(tmpdir(), 'dry-run-home-'))
    const bare = (environment: Record<string, string>) => runUseCases(database, server, { environment })
    const task = await aTask()
    const access = async (environment: Record<string, string>, inline = {}) =>
      (
        await bare(environment).runs.preflight(
          wish(task.id, { inlineConfig: { runnerType: 'claude-code', ...inline } }),
        )
      ).checks.find(({ name }) => name === 'provider_access')
    expect(await access({ HOME: home })).toMatchObject({ ok: false, code: 'RUNNER_UNAVAILABLE' })
    expect(await access({ HOME: home, MY_KEY: 'k' }, { env: ['MY_KEY'] })).toMatchObject({ ok: true })
    await writeFile(join(home, '.claude.json'), '{}')
    expect(await access({ HOME: home })).toMatchObject({ ok: true })
    expect(await access({ HOME: home }, { home: 'isolated' })).toMatchObject({ ok: false })
    await rm(home, { recursive: true })
  })
})

describe('a retry', () => {
  test('is a new run of the same task with the same settings, prompt and tag', async () => {
    const task = await aTask()
    const { profile } = await use.profiles.ensure({
      profileKey: `retry-${uuid()}`,
      defaults: {
        profileKey: 'x',
        name: uuid(),
        createdBy: null,
        settings: { runnerType: 'opencode', maxTurns: 7 },
      },
      updateExisting: false,
    })
    const { run } = await use.runs.create(
      wish(task.id, { profileId: profile.id, tag: 'eco-1', prompt: 'do it well', inlineConfig: {} }),
    )
    await use.runs.stop(run.id, 'ann')
    // What the profile says today does not count.
    await use.profiles.ensure({
      profileKey: profile.profileKey,
      defaults: {
        profileKey: profile.profileKey,
        name: profile.name,
        createdBy: null,
        settings: { runnerType: 'claude-code' },
      },
      updateExisting: true,
    })
    const again = await use.runs.retry(run.id, { prompt: null, tag: null })
    expect(again).toMatchObject({
      retryOf: run.id,
      forkOf: null,
      taskId: task.id,
      profileId: profile.id,
      profileVersion: 1,
      tag: 'eco-1',
      status: 'pending',
      config: { runnerType: 'opencode', maxTurns: 7 },
      configSources: { maxTurns: 'profile' },
    })
    expect(again.id).not.toBe(run.id)
    expect(await firstPrompt(database.db, again.id)).toBe('do it well')
    expect(await use.runs.getByTag('eco-1')).toMatchObject({ id: again.id })
    const events = await readEvents(database.db, { runId: again.id, after: 0, limit: 10, types: [] })
    expect(events.map(({ seq, name }) => [seq, name])).toEqual([
      [1, 'config'],
      [2, 'status'],
    ])
  })

  test('may be told something else and be called otherwise', async () => {
    const { run } = await use.runs.create(wish((await aTask()).id))
    await use.runs.stop(run.id, 'ann')
    const plain = await use.runs.retry(run.id, { prompt: null, tag: null })
    expect(plain.tag).toBe(plain.id)
    const other = await use.runs.retry(run.id, { prompt: 'better', tag: 'new' })
    expect(other.tag).toBe('new')
    expect(await firstPrompt(database.db, other.id)).toBe('better')
  })

  test('of one key is one run, however often it is asked for', async () => {
    const { run } = await use.runs.create(wish((await aTask()).id))
    await use.runs.stop(run.id, 'ann')
    const id = uuid()
    const plain = { prompt: null, tag: null }
    const twice = await Promise.all([use.runs.retry(run.id, plain, id), use.runs.retry(run.id, plain, id)])
    expect(twice.map((again) => again.id)).toEqual([id, id])
    expect((await use.runs.retry(run.id, plain, id)).id).toBe(id)
    expect(await countRuns({ taskId: run.taskId })).toBe(2)
  })

  test('is only for what is finished, and admitted like any run', async () => {
    const { run } = await use.runs.create(wish((await aTask()).id))
    await expect(use.runs.retry(run.id, { prompt: null, tag: null })).rejects.toMatchObject({
      code: 'STATE_TRANSITION_INVALID',
    })
    await use.runs.stop(run.id, 'ann')
    const strict = runUseCases(database, server, { dataDir: projectRoot })
    await expect(strict.runs.retry(run.id, { prompt: null, tag: null })).rejects.toMatchObject({
      code: 'VALIDATION_PROJECT_ROOT',
    })
    await expect(use.runs.retry(uuid(), { prompt: null, tag: null })).rejects.toMatchObject({
      code: 'NOT_FOUND_RUN',
    })
  })
})
