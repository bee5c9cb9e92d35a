/** Tasks that are listed, updated and deleted, on real Postgres. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { holdAdmitted, holdTask } from '../../internal/run/holds.ts'
import { APPROVAL_STATES, type ApprovalState, RUN_STATUSES, type RunStatus } from '../../internal/run/run.ts'
import { type NewTask, TASK_STATUSES, taskStatus } from '../../internal/task/task.ts'
import { TaskService } from '../../internal/task/task-service.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'

let database: TestDatabase
let tasks: TaskService
let root: string
let otherRoot: string
beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'agent-manager-tasks-')))
  otherRoot = realpathSync(mkdtempSync(join(tmpdir(), 'agent-manager-tasks-')))
  database = await createTestDatabase()
  tasks = new TaskService({ db: database.db, projectRoots: [] })
})
afterAll(async () => {
  await database.close()
  for (const folder of [root, otherRoot]) rmSync(folder, { recursive: true, force: true })
})

const task = (change: Partial<NewTask> = {}): NewTask => ({
  title: 't',
  description: 'd',
  scopePath: '',
  projectRoot: root,
  contextAttachments: [],
  createdBy: 'ann',
  ...change,
})
const create = (change: Partial<NewTask> = {}) => tasks.create(task(change))
const run = (taskId: string, status: RunStatus, more = {}) =>
  insertRunRow(database.db, { task_id: taskId, status, ...more })
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )

describe('the status of a task', () => {
  test('is the same in a list by status, in a list of all and alone, whatever its runs are', async () => {
    const expected = new Map<string, string>()
    const expectStatus = async (newest: { status: RunStatus; approvalState: ApprovalState } | null) => {
      const { id } = await create({ scopePath: 'status' })
      if (newest) {
        await run(id, 'failed', { created_at: sql<Date>`now() - interval '1 hour'` })
        await run(id, newest.status, { approval_state: newest.approvalState })
      }
      expected.set(id, taskStatus(newest, false))
    }
    await expectStatus(null)
    for (const status of RUN_STATUSES)
      for (const approvalState of APPROVAL_STATES) await expectStatus({ status, approvalState })
    const { id: cancelled } = await create({ scopePath: 'status' })
    await sql`UPDATE agent_manager.tasks SET cancelled_at = now() WHERE id = ${cancelled}`.execute(
      database.db,
    )
    expected.set(cancelled, 'cancelled')

    const byStatus = new Map<string, string>()
    for (const status of TASK_STATUSES) {
      let token: string | null = null
      do {
        const page = await tasks.list({ status, scopePrefix: 'status' }, { size: 4, after: token, offset: 0 })
        expect(page.total).toBe([...expected.values()].filter((one) => one === status).length)
        for (const one of page.items) byStatus.set(one.id, status)
        token = page.next
      } while (token !== null)
    }
    const all = await tasks.list(
      { status: null, scopePrefix: 'status' },
      { size: 100, after: null, offset: 0 },
    )

    expect(byStatus).toEqual(expected)
    expect(new Map(all.items.map(({ id, status }) => [id, status]))).toEqual(expected)
    expect(all.total).toBe(expected.size)
    for (const [id, status] of expected) expect((await tasks.get(id)).status).toBe(status)
  })
})

test('a scope prefix is plain text', async () => {
  const wanted = await create({ scopePath: 'pre_fix/a' })
  await create({ scopePath: 'prefix/a' })
  await create({ scopePath: 'pre%/a' })

  const found = await tasks.list({ status: null, scopePrefix: 'pre_' }, { size: 10, after: null, offset: 0 })

  expect(found.items.map(({ id }) => id)).toEqual([wanted.id])
})

describe('an update', () => {
  const said = (change: Partial<NewTask> = {}) => {
    const { createdBy: _, ...rest } = task(change)
    return rest
  }

  test('replaces what the task says and keeps who made it', async () => {
    const { id, revision } = await create({ description: 'old', scopePath: 'a' })
    const contextAttachments = [
      { type: 'note', key: 'k', tags: [], path: null, url: null, content: 'c', label: null } as const,
    ]

    const updated = await tasks.update(id, said({ title: 'new', contextAttachments }), [revision])
    const same = await tasks.update(id, said({ title: 'new', contextAttachments }), null)

    expect(updated).toMatchObject({
      title: 'new',
      description: 'd',
      scopePath: '',
      contextAttachments,
      createdBy: 'ann',
      revision: 2,
    })
    expect(same).toEqual(updated)
  })

  test('of many at once on the same revision lets one through', async () => {
    const { id, revision } = await create()

    const codes = await Promise.all(
      Array.from({ length: 8 }, (_, n) => codeOf(tasks.update(id, said({ title: `t${n}` }), [revision]))),
    )

    expect(codes.filter((code) => code === 'done')).toHaveLength(1)
    expect(codes.filter((code) => code === 'PRECONDITION_FAILED')).toHaveLength(7)
    expect((await tasks.get(id)).revision).toBe(2)
  })

  test('moves a task only where no run stands on it', async () => {
    const { id } = await create()
    expect((await tasks.update(id, said({ projectRoot: otherRoot }), null)).projectRoot).toBe(otherRoot)
    expect(await codeOf(tasks.update(id, said({ projectRoot: '/not/there' }), null))).toBe(
      'VALIDATION_PROJECT_ROOT',
    )
    const at = { projectRoot: otherRoot }
    const runId = await run(id, 'pending')

    expect(await codeOf(tasks.update(id, said(), null))).toBe('STATE_TRANSITION_INVALID')
    expect(await codeOf(tasks.update(id, said({ ...at, scopePath: 'x' }), null))).toBe(
      'STATE_TRANSITION_INVALID',
    )
    expect((await tasks.update(id, said({ ...at, title: 'still' }), null)).title).toBe('still')
    await database.db
      .updateTable('runs')
      .set({ status: 'cancelled', ended_at: sql<Date>`now()` })
      .where('id', '=', runId)
      .execute()
    expect((await tasks.update(id, said({ ...at, scopePath: 'x' }), null)).scopePath).toBe('x')
    expect(await codeOf(tasks.update(id, said(), null))).toBe('STATE_TRANSITION_INVALID')
  })

  test('is noticed by a run that was admitted before', async () => {
    const admitted = await create()
    const write = () => database.db.transaction().execute((tx) => holdAdmitted(tx, admitted))
    expect(await codeOf(write())).toBe('done')

    await tasks.update(admitted.id, said({ title: 'only the title' }), null)
    expect(await codeOf(write())).toBe('done')
    await tasks.update(admitted.id, said({ projectRoot: otherRoot }), null)
    expect(await codeOf(write())).toBe('STATE_TRANSITION_INVALID')
  })
})

describe('a deleted task', () => {
  test.each(['pending', 'starting', 'running', 'needs_review'] as const)(
    'had no run that is %s',
    async (status) => {
      const { id } = await create()
      await run(id, status)

      expect(await codeOf(tasks.delete(id, null))).toBe('STATE_TRANSITION_INVALID')
    },
  )

  test('is found by nobody, takes no runs, and its runs and their logs stay', async () => {
    const { id, revision } = await create({ scopePath: 'deleted' })
    const runId = await run(id, 'complete')
    expect(await codeOf(tasks.delete(id, [revision + 1]))).toBe('PRECONDITION_FAILED')

    const codes = await Promise.all([tasks.delete(id, null), tasks.delete(id, null)].map(codeOf))

    expect(codes).toEqual(['done', 'done'])
    expect(await codeOf(tasks.get(id))).toBe('NOT_FOUND_TASK')
    expect(await codeOf(tasks.update(id, task(), null))).toBe('NOT_FOUND_TASK')
    const listed = await tasks.list(
      { status: null, scopePrefix: 'deleted' },
      { size: 10, after: null, offset: 0 },
    )
    expect(listed).toMatchObject({ items: [], total: 0 })
    expect(await codeOf(database.db.transaction().execute((tx) => holdTask(tx, id)))).toBe('NOT_FOUND_TASK')
    const rows = await database.db.selectFrom('runs').select('id').where('task_id', '=', id).execute()
    expect(rows).toEqual([{ id: runId }])
  })

  test('waits for the run that is just being made, and then refuses', async () => {
    const { id } = await create()
    const held = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const making = database.db.transaction().execute(async (tx) => {
      await holdTask(tx, id)
      held.resolve()
      await go.promise
      await insertRunRow(tx, { task_id: id })
    })
    await held.promise

    const deleting = codeOf(tasks.delete(id, null))
    go.resolve()
    await making

    expect(await deleting).toBe('STATE_TRANSITION_INVALID')
  })

  test('had nothing more to tell to a finished run', async () => {
    const { id } = await create()
    const runId = await run(id, 'complete')
    await database.db
      .insertInto('run_inputs')
      .values({
        id: '01930000-0000-7000-8000-0000000000bb',
        run_id: runId,
        turn: 2,
        source: 'continue',
        delivery: 'queue',
        status: 'queued',
        content: 'more',
      })
      .execute()

    expect(await codeOf(tasks.delete(id, null))).toBe('STATE_TRANSITION_INVALID')
  })

  test('was there once: any other is a 404', async () => {
    expect(await codeOf(tasks.delete('01930000-0000-7000-8000-00000000ffff', null))).toBe('NOT_FOUND_TASK')
  })
})

test('creating the same id again answers what was made the first time', async () => {
  const id = '01930000-0000-7000-8000-0000000000cc'

  const answers = await Promise.all(Array.from({ length: 5 }, () => tasks.create(task(), id)))

  expect(new Set(answers.map((answer) => answer.id))).toEqual(new Set([id]))
})
