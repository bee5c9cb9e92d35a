/** Creating runs: once for an id, and only from what still stands. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { ProfileService } from '../../internal/profile/profile-service.ts'
import { type NewRun, RunService } from '../../internal/run/run-service.ts'
import { RunnerRegistry } from '../../internal/runner/registry.ts'
import { TaskService } from '../../internal/task/task-service.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let root: string
let tasks: TaskService
let profiles: ProfileService
let runs: RunService
beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'agent-manager-create-')))
  database = await createTestDatabase()
  const { db } = database
  tasks = new TaskService({ db, projectRoots: [] })
  profiles = new ProfileService({ db })
  const opencode = createOpencodeAdapter({ command: 'opencode', path: '', environment: {} })
  // Admission asks whether the program is there and what it is; that is all this stand-in for a program says.
  const probe = () =>
    Promise.resolve({ available: true, version: '1.18.33', versionSupported: true, message: '' })
  runs = new RunService({
    db,
    tasks,
    profiles,
    redactor: createRedactor(),
    admission: {
      dataDir: '/nowhere/data',
      registry: new RunnerRegistry({
        adapters: [{ ...opencode, probe }],
        missing: [],
        containment: 'none',
        environment: { OPENAI_API_KEY: 'of-a-test' },
      }),
      sandbox: createSandboxClient({ baseUrl: () => 'http://127.0.0.1:1', token: () => '', owner: 'test' }),
      containment: 'none',
      allowInPlace: true,
      sandboxHidesGit: false,
      environment: {},
    },
    levers: { maxTurns: 1, timeoutMs: 60_000, requiresSandbox: true, requiresApproval: true },
    projectRoots: [],
    publish: () => {},
    wake: () => {},
    stopping: () => {},
  })
})
afterAll(async () => {
  await database.close()
  rmSync(root, { recursive: true, force: true })
})

const newTask = () =>
  tasks.create({
    title: 't',
    description: 'd',
    scopePath: '',
    projectRoot: root,
    contextAttachments: [],
    createdBy: null,
  })
const newRun = (taskId: string, change: Partial<NewRun> = {}): NewRun => ({
  taskId,
  profileId: null,
  profileRef: null,
  tag: null,
  runMode: 'in_place',
  inlineConfig: { runnerType: 'opencode' },
  force: false,
  prompt: null,
  idempotencyKey: null,
  ...change,
})
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'created',
    (error: { code?: string }) => error.code,
  )

test('an id makes one run, whoever asks for it at once and afterwards', async () => {
  const { id: taskId } = await newTask()
  const id = uuid()
  const create = () => runs.create(newRun(taskId, { idempotencyKey: 'k' }), id)

  const answers = await Promise.all(Array.from({ length: 10 }, create))
  const later = await create()

  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
  expect(new Set([...answers, later].map(({ run }) => run.id))).toEqual(new Set([id]))
  expect(later).toMatchObject({ replayed: true, run: { idempotencyKey: 'k', lastSeq: 2 } })
  const inputs = await database.db.selectFrom('run_inputs').selectAll().where('run_id', '=', id).execute()
  expect(inputs).toHaveLength(1)
})

test('a key that is free again makes another run', async () => {
  const { id: taskId } = await newTask()

  const first = await runs.create(newRun(taskId, { idempotencyKey: 'again' }), uuid())
  const second = await runs.create(newRun(taskId, { idempotencyKey: 'again' }), uuid())

  expect(second.replayed).toBe(false)
  expect((await runs.get(first.run.id)).idempotencyKey).toBeNull()
  expect(second.run.idempotencyKey).toBe('again')
})

describe('a run is not made', () => {
  test('from an archived or deleted profile, however it is named', async () => {
    const { id: taskId } = await newTask()
    const settings = { runnerType: 'opencode' as const }
    const profile = await profiles.create({ profileKey: 'key', name: 'Key', createdBy: null, settings })
    const byId = () => codeOf(runs.create(newRun(taskId, { profileId: profile.id })))
    const byKey = () =>
      codeOf(runs.create(newRun(taskId, { profileRef: { profileKey: 'key', defaults: null } })))
    expect([await byId(), await byKey()]).toEqual(['created', 'created'])

    await profiles.setArchived(profile.id, true, null)
    expect([await byId(), await byKey()]).toEqual(['STATE_PROFILE_ARCHIVED', 'STATE_PROFILE_ARCHIVED'])
    await profiles.setArchived(profile.id, false, null)
    expect(await byId()).toBe('created')
    await profiles.delete(profile.id, null)
    expect([await byId(), await byKey()]).toEqual(['NOT_FOUND_PROFILE', 'VALIDATION_FIELD'])
  })

  test('for a deleted task', async () => {
    const { id } = await newTask()
    await tasks.delete(id, null)

    expect(await codeOf(runs.create(newRun(id)))).toBe('NOT_FOUND_TASK')
  })
})

test('a run and the deletion of its task never both go through', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { id } = await newTask()

    const [made, deleted] = await Promise.all([
      codeOf(runs.create(newRun(id))),
      codeOf(tasks.delete(id, null)),
    ])

    expect([
      ['created', 'STATE_TRANSITION_INVALID'],
      ['NOT_FOUND_TASK', 'created'],
    ]).toContainEqual([made, deleted])
  }
})
