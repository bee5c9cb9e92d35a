/** Stopping by tag, stopping all, deleting: on a real database and the real stand-in of the sandbox service. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { cleanUp, sweepRunFolders } from '../../internal/engine/cleanup.ts'
import { recordSandbox } from '../../internal/engine/run-work-store.ts'
import { AppError } from '../../internal/errors.ts'
import { readEvents } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { createLogger } from '../../internal/log.ts'
import { insertInput } from '../../internal/run/input-store.ts'
import type { RunStatus } from '../../internal/run/run.ts'
import { RunEnding } from '../../internal/run/run-ending.ts'
import { findRun, listRuns } from '../../internal/run/run-store.ts'
import { findTask, listTasks } from '../../internal/task/task-store.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow, insertTaskRow } from '../support/rows.ts'
import { type RunUseCases, runUseCases } from '../support/run-service.ts'
import { makeProject } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

let database: TestDatabase
let server: SandboxServer
let use: RunUseCases
let ending: RunEnding
let forgotten = 0
beforeAll(async () => {
  database = await createTestDatabase()
  server = await startSandboxServer({})
  use = runUseCases(database, server)
  ending = endingWith((id, actor) => use.runs.stop(id, actor))
})
afterAll(async () => {
  await server.stop()
  await database.close()
})

const endingWith = (stop: RunUseCases['runs']['stop']) =>
  new RunEnding({
    db: database.db,
    redactor: createRedactor(),
    stop,
    getByTag: (tag) => use.runs.getByTag(tag),
    publish: () => {},
    forget: () => {
      forgotten += 1
    },
  })
const statusOf = async (id: string) => (await findRun(database.db, id))?.status
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute))
const ANY = { status: null, taskId: null, profileId: null, tagPrefix: null }
const PAGE = { size: 1000, after: null, offset: 0 }

describe('by tag', () => {
  test('the newest of exactly this tag is meant', async () => {
    const { db } = database
    const tag = `a/b ${uuid()}`
    const [old, newest] = [
      await insertRunRow(db, { tag, created_at: at(1) }),
      await insertRunRow(db, { tag, created_at: at(2) }),
    ]
    await insertRunRow(db, { tag: `${tag}c`, created_at: at(3) })
    expect((await use.runs.getByTag(tag)).id).toBe(newest)
    expect(await ending.stopByTag(tag, 'ann')).toMatchObject({ id: newest, status: 'cancelled' })
    expect(await statusOf(old)).toBe('pending')
    await expect(ending.stopByTag(tag, 'ann')).rejects.toMatchObject({ code: 'STATE_TERMINAL' })
    await expect(ending.stopByTag('a/', 'ann')).rejects.toMatchObject({ code: 'NOT_FOUND_RUN' })
  })
})

describe('stop all', () => {
  test('stops whatever is not finished, as one stop would', async () => {
    const { db } = database
    const tag = `all-${uuid()}`
    const rows = Object.fromEntries(
      await Promise.all(
        (['pending', 'starting', 'running', 'needs_review', 'complete', 'failed'] as const).map(
          async (status) => [status, await insertRunRow(db, { status, tag: `${tag}-${status}` })] as const,
        ),
      ),
    )
    const other = await insertRunRow(db, { tag: 'another' })
    const now = async (status: RunStatus) => (await findRun(db, rows[status] ?? ''))?.status
    expect(await ending.stopAll(tag, 'ann')).toEqual({ stopped: 4, failures: [] })
    expect(await now('pending')).toBe('cancelled')
    expect(await now('needs_review')).toBe('cancelled')
    expect(await findRun(db, rows['running'] ?? '')).toMatchObject({ status: 'running', stopping: true })
    expect(use.stopping).toEqual(expect.arrayContaining([rows['starting'], rows['running']]))
    expect([await now('complete'), await now('failed')]).toEqual(['complete', 'failed'])
    expect(await statusOf(other)).toBe('pending')
    // Those on their way count again: repeating it is harmless.
    expect(await ending.stopAll(tag, 'ann')).toEqual({ stopped: 2, failures: [] })
  })

  test('goes through more runs than one page, some side by side, and leaves later ones alone', async () => {
    const { db } = database
    const tag = `many-${uuid()}`
    const taskId = await insertTaskRow(db)
    for (let n = 0; n < 230; n += 1) await insertRunRow(db, { tag, task_id: taskId })
    let [running, most] = [0, 0]
    let later = ''
    const counted = endingWith(async (id, actor) => {
      running += 1
      most = Math.max(most, running)
      if (later === '') {
        later = 'on its way'
        later = await insertRunRow(db, { tag, task_id: taskId })
      }
      const run = await use.runs.stop(id, actor)
      running -= 1
      return run
    })
    expect(await counted.stopAll(tag, 'ann')).toEqual({ stopped: 230, failures: [] })
    expect(await statusOf(later)).toBe('pending')
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(8)
  })

  test('tells which could not be stopped, at most a hundred of them, and gives up with the database', async () => {
    const { db } = database
    const tag = `busy-${uuid()}`
    const taskId = await insertTaskRow(db)
    for (let n = 0; n < 102; n += 1) await insertRunRow(db, { tag, task_id: taskId })
    const busy = endingWith(async (id) => {
      throw new AppError('STATE_TRANSITION_INVALID', `An approval of run ${id} is being carried out.`)
    })
    const { stopped, failures } = await busy.stopAll(tag, 'ann')
    expect(stopped).toBe(0)
    expect(failures).toHaveLength(100)
    expect(failures[0]?.error).toMatch(/being carried out/)
    const over = endingWith(async () => {
      throw new AppError('STATE_TERMINAL', 'over')
    })
    expect(await over.stopAll(tag, 'ann')).toEqual({ stopped: 0, failures: [] })
    const away = endingWith(async () => {
      throw new AppError('DATABASE_CONNECTION', 'away')
    })
    await expect(away.stopAll(tag, 'ann')).rejects.toMatchObject({ code: 'DATABASE_CONNECTION' })
  })
})

describe('deleting a run', () => {
  test('hides it everywhere but in its log, and once is as good as twice', async () => {
    const { db } = database
    const taskId = await insertTaskRow(db)
    const tag = `gone-${uuid()}`
    const older = await insertRunRow(db, { status: 'failed', task_id: taskId, tag, created_at: at(1) })
    const key = uuid()
    const id = await insertRunRow(db, {
      status: 'complete',
      task_id: taskId,
      tag,
      idempotency_key: key,
      approval_state: 'rejected',
    })
    await insertInput(db, {
      id: uuid(),
      runId: id,
      turn: 2,
      source: 'continue',
      delivery: 'queue',
      content: 'more',
      actor: null,
    })
    expect((await findTask(db, taskId))?.status).toBe('rejected')
    await ending.delete(id, 'ann')
    await ending.delete(id, 'bob')
    expect(await findRun(db, id)).toBeNull()
    await expect(use.runs.get(id)).rejects.toMatchObject({ code: 'NOT_FOUND_RUN' })
    expect((await use.runs.getByTag(tag)).id).toBe(older)
    const listed = await listRuns(db, { ...ANY, taskId }, PAGE)
    expect([listed.items.map((run) => run.id), listed.total]).toEqual([[older], 1])
    expect((await findTask(db, taskId))?.status).toBe('failed')
    await ending.delete(older, 'ann')
    const queued = await listTasks(db, { status: 'queued', scopePrefix: null }, PAGE)
    expect(queued.items.map((task) => task.id)).toContain(taskId)
    const log = await readEvents(db, { runId: id, after: 0, limit: 10, types: [] })
    expect(log.map(({ payloadText }) => JSON.parse(payloadText))).toMatchObject([
      { input: { status: 'cancelled', content: 'more' } },
      { log: { message: 'run deleted by ann' } },
    ])
    // The key of a run that is gone may be used again.
    expect(await insertRunRow(db, { idempotency_key: key })).toBeTruthy()
    expect(forgotten).toBeGreaterThan(0)
  })

  test.each(['pending', 'running', 'needs_review'] as const)('refuses one that is %s', async (status) => {
    const id = await insertRunRow(database.db, { status })
    await expect(ending.delete(id, 'ann')).rejects.toMatchObject({ code: 'STATE_TRANSITION_INVALID' })
    expect(await statusOf(id)).toBe(status)
    await expect(ending.delete(uuid(), 'ann')).rejects.toMatchObject({ code: 'NOT_FOUND_RUN' })
  })

  test('is for good: the database itself lets nobody go on with it', async () => {
    const id = await insertRunRow(database.db, { status: 'failed' })
    await ending.delete(id, 'ann')
    const revive = database.db
      .updateTable('runs')
      .set({ status: 'pending', ended_at: null, failure: null })
      .where('id', '=', id)
      .execute()
    await expect(revive).rejects.toThrow(/runs_deleted_is_final/)
  })

  test('removes its sandbox and its home, and leaves those of others', async () => {
    const { db } = database
    const dataDir = await mkdtemp(join(tmpdir(), 'deleted-run-'))
    const projectRoot = await makeProject()
    const sandbox = createSandboxClient({
      baseUrl: () => server.url,
      token: () => server.token,
      owner: 'test-deletion',
      trusted: true,
    })
    const make = async () => {
      const id = await insertRunRow(db, {
        status: 'failed',
        diff_digest: 'd',
        diff_files: 1,
        diff_additions: 1,
        diff_deletions: 0,
      })
      const { id: sandboxId } = await sandbox.create({
        key: `run:${id}:sandbox:1`,
        owner: 'run',
        projectRoot,
      })
      await recordSandbox(db, id, 1, sandboxId)
      await mkdir(join(dataDir, 'runs', id, 'home'), { recursive: true })
      return { id, sandboxId, home: join(dataDir, 'runs', id) }
    }
    const [deleted, kept] = [await make(), await make()]
    await ending.delete(deleted.id, 'ann')
    const deps = { db, log: createLogger('silent'), sandbox, dataDir }
    await cleanUp(deps)
    await sweepRunFolders(deps)
    expect(await sandbox.state(deleted.sandboxId)).toBe('gone')
    expect(existsSync(deleted.home)).toBe(false)
    expect(await sandbox.state(kept.sandboxId)).toBe('active')
    expect(existsSync(kept.home)).toBe(true)
    await rm(dataDir, { recursive: true })
  })
})
