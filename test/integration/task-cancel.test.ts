/** Cancelling a task stops its runs through the same intent as stopping each of them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { ProfileService } from '../../internal/profile/profile-service.ts'
import { RunService } from '../../internal/run/run-service.ts'
import { RunnerRegistry } from '../../internal/runner/registry.ts'
import { TaskCancel } from '../../internal/task/task-cancel.ts'
import { TaskService } from '../../internal/task/task-service.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertReplica, insertRunRow, insertTaskRow } from '../support/rows.ts'

let database: TestDatabase
let tasks: TaskService
let cancelling: TaskCancel
const stopping: string[] = []
beforeAll(async () => {
  database = await createTestDatabase()
  const { db } = database
  tasks = new TaskService({ db, projectRoots: [] })
  const runs = new RunService({
    db,
    tasks,
    profiles: new ProfileService({ db }),
    redactor: createRedactor(),
    admission: {
      dataDir: '/nowhere',
      registry: new RunnerRegistry({ adapters: [], missing: [], containment: 'none', environment: {} }),
      sandbox: createSandboxClient({ baseUrl: () => 'http://127.0.0.1:1', token: () => '', owner: 'test' }),
      containment: 'none',
      allowInPlace: false,
      sandboxHidesGit: false,
      environment: {},
    },
    levers: { maxTurns: 1, timeoutMs: 60_000, requiresSandbox: true, requiresApproval: true },
    projectRoots: [],
    publish: () => {},
    wake: () => {},
    stopping: (runId) => stopping.push(runId),
  })
  cancelling = new TaskCancel({ db, tasks, stopRun: (id, actor) => runs.stop(id, actor) })
})
afterAll(() => database.close())

const rowOf = (id: string) =>
  database.db
    .selectFrom('runs')
    .select(['status', 'stop_requested_by', 'stop_requested_at'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )

describe('cancelling a task', () => {
  test('stops what waits at once and what runs by a durable intent; finished runs stay as they are', async () => {
    const taskId = await insertTaskRow(database.db)
    const of = (status: 'complete' | 'needs_review' | 'pending' | 'running') =>
      insertRunRow(database.db, { task_id: taskId, status })
    const [done, review, pending, running] = [
      await of('complete'),
      await of('needs_review'),
      await of('pending'),
      await of('running'),
    ]

    const task = await cancelling.cancel(taskId, 'ann', null)
    const again = await cancelling.cancel(taskId, 'bob', null)

    expect(task).toMatchObject({ status: 'running', revision: 2 })
    expect(again).toEqual(task)
    expect((await rowOf(done)).status).toBe('complete')
    expect((await rowOf(review)).status).toBe('cancelled')
    expect((await rowOf(pending)).status).toBe('cancelled')
    expect(await rowOf(running)).toMatchObject({ status: 'running', stop_requested_by: 'ann' })
    expect(stopping).toEqual([running])
  })

  test('without runs shows it cancelled, until somebody makes a run for it', async () => {
    const taskId = await insertTaskRow(database.db)

    expect(await cancelling.cancel(taskId, 'ann', [1])).toMatchObject({ status: 'cancelled', revision: 2 })
    expect(await cancelling.cancel(taskId, 'ann', null)).toMatchObject({ status: 'cancelled', revision: 2 })
    await insertRunRow(database.db, { task_id: taskId })
    expect((await tasks.get(taskId)).status).toBe('queued')
    expect(await cancelling.cancel(taskId, 'ann', null)).toMatchObject({ status: 'cancelled' })
  })

  test.each([
    ['complete', 'approved'],
    ['complete', 'rejected'],
    ['failed', 'none'],
  ] as const)('whose work is done (%s, %s) is refused', async (status, approval_state) => {
    const taskId = await insertTaskRow(database.db)
    await insertRunRow(database.db, { task_id: taskId, status, approval_state })

    expect(await codeOf(cancelling.cancel(taskId, 'ann', null))).toBe('STATE_TERMINAL')
    expect((await tasks.get(taskId)).revision).toBe(1)
  })

  test('goes on past a run whose approval is being carried out, and says so', async () => {
    const { db } = database
    const taskId = await insertTaskRow(db)
    const approved = await insertRunRow(db, { task_id: taskId, status: 'needs_review' })
    const pending = await insertRunRow(db, { task_id: taskId })
    await db
      .insertInto('approvals')
      .values({
        id: '01930000-0000-7000-8000-0000000000dd',
        run_id: approved,
        turn: 1,
        digest: 'd',
        actor: 'ann',
        automatic: false,
        commit_message: '',
        state: 'planned',
        lease_owner: await insertReplica(db),
        lease_expires_at: new Date(),
      })
      .execute()

    expect(await codeOf(cancelling.cancel(taskId, 'ann', null))).toBe('STATE_TRANSITION_INVALID')
    expect((await rowOf(approved)).status).toBe('needs_review')
    expect((await rowOf(pending)).status).toBe('cancelled')
  })

  test('needs the task, and the revision where one is given', async () => {
    const taskId = await insertTaskRow(database.db)
    const runId = await insertRunRow(database.db, { task_id: taskId })

    expect(await codeOf(cancelling.cancel('01930000-0000-7000-8000-00000000ffff', 'ann', null))).toBe(
      'NOT_FOUND_TASK',
    )
    expect(await codeOf(cancelling.cancel(taskId, 'ann', [9]))).toBe('PRECONDITION_FAILED')
    expect((await rowOf(runId)).status).toBe('pending')
  })
})
