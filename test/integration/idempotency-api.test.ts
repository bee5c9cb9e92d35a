/** The whole way of a key: HTTP, use cases, Postgres. A hundred callers at once, and a crash after the effect. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { buildServer } from '../../api/server.ts'
import { asAppError } from '../../internal/db/pg-error.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { Idempotency } from '../../internal/idempotency/idempotency-service.ts'
import { createLogger } from '../../internal/log.ts'
import { ProfileService } from '../../internal/profile/profile-service.ts'
import { Conversation } from '../../internal/run/conversation.ts'
import { insertRun } from '../../internal/run/run-store.ts'
import { RunnerRegistry } from '../../internal/runner/registry.ts'
import { TaskService } from '../../internal/task/task-service.ts'
import { apiDeps } from '../support/api-deps.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertReplica, insertRunRow, insertTaskRow } from '../support/rows.ts'

let database: TestDatabase
let root: string
let apps: Awaited<ReturnType<typeof buildServer>>[]
beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'agent-manager-keys-')))
  database = await createTestDatabase(20)
  apps = [await server(), await server()]
})
afterAll(async () => {
  for (const app of apps) await app.close()
  await database.close()
  rmSync(root, { recursive: true, force: true })
})

/** One replica: what makes things is real, the rest of the boundary is not asked. */
async function server() {
  const { db } = database
  const registry = new RunnerRegistry({
    adapters: [createOpencodeAdapter({ command: 'none', path: '', environment: {} })],
    missing: [],
    containment: 'none',
    environment: {},
  })
  const { deps } = apiDeps({
    asAppError,
    idempotency: new Idempotency({
      db,
      log: createLogger('fatal'),
      replicaId: await insertReplica(db),
    }),
    profiles: new ProfileService({ db }),
    tasks: new TaskService({ db, projectRoots: [] }),
    conversation: new Conversation({
      db,
      registry,
      redactor: createRedactor(),
      publish: () => {},
      wake: () => {},
      steer: () => {},
      interrupting: () => {},
    }),
  })
  return buildServer(deps)
}

let turn = 0
function post(url: string, payload: object, key: string) {
  turn += 1
  const app = apps[turn % apps.length]
  if (!app) throw new Error('there are two')
  return app.inject({ method: 'POST', url, payload, headers: { 'idempotency-key': key } })
}
const rows = async (table: string, column: string, value: string) => {
  const found = await sql<{ n: number }>`
    SELECT count(*) AS n FROM ${sql.table(`agent_manager.${table}`)} WHERE ${sql.ref(column)} = ${value}`.execute(
    database.db,
  )
  return found.rows[0]?.n
}
/** As a replica leaves it that is killed before it could write down what it answered. */
const forgetAnswers = () =>
  database.db
    .updateTable('idempotency_records')
    .set({
      state: 'running',
      lease_expires_at: sql<Date>`now() - interval '1 second'`,
      answer_status: null,
      answer_headers: null,
      answer_body: null,
    })
    .execute()

describe('a hundred callers with one key', () => {
  test('make one task and get one answer', async () => {
    const task = { title: 'of a hundred', project_root: root }

    const answers = await Promise.all(
      Array.from({ length: 100 }, () => post('/api/v1/tasks', { task }, 'hundred')),
    )

    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([201]))
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
    expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === 'true')).toHaveLength(99)
    expect(await rows('tasks', 'title', 'of a hundred')).toBe(1)
  })

  test('and two bodies get one effect, and a clear no', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        post('/api/v1/profiles', { profile: { name: 'contended', max_turns: (n % 2) + 1 } }, 'two bodies'),
      ),
    )

    const made = answers.filter(({ statusCode }) => statusCode === 201)
    const refused = answers.filter(({ statusCode }) => statusCode === 422)
    expect([made.length, refused.length]).toEqual([50, 50])
    expect(new Set(made.map(({ body }) => body)).size).toBe(1)
    expect(refused[0]?.json().code).toBe('IDEMPOTENCY_MISMATCH')
    expect(await rows('profiles', 'name', 'contended')).toBe(1)
  })

  test('say one thing to a run', async () => {
    const runId = await insertRunRow(database.db, { status: 'running' })

    const answers = await Promise.all(
      Array.from({ length: 100 }, () => post(`/api/v1/runs/${runId}/continue`, { message: 'once' }, 'say')),
    )

    expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
    expect(answers[0]?.statusCode).toBe(202)
    expect(await rows('run_inputs', 'content', 'once')).toBe(1)
  })
})

describe('a crash between the effect and the word about it', () => {
  test.each([
    [
      '/api/v1/tasks',
      () => ({ task: { title: 'cut task', project_root: root } }),
      'tasks',
      'title',
      'cut task',
    ],
    ['/api/v1/profiles', () => ({ profile: { name: 'cut profile' } }), 'profiles', 'name', 'cut profile'],
  ] as const)('makes nothing twice: %s', async (url, body, table, column, value) => {
    const before = await post(url, body(), url)
    await forgetAnswers()

    const after = await post(url, body(), url)

    expect(before.statusCode).toBe(201)
    expect(after.headers).not.toHaveProperty('idempotency-replayed')
    expect([after.statusCode, after.json()]).toEqual([201, before.json()])
    expect(await rows(table, column, value)).toBe(1)
  })

  test('says nothing twice to a run that went on', async () => {
    const runId = await insertRunRow(database.db, { status: 'complete' })
    const say = () => post(`/api/v1/runs/${runId}/continue`, { message: 'go on' }, 'cut input')
    const before = await say()
    await forgetAnswers()

    const after = await say()

    expect([before.statusCode, after.statusCode]).toEqual([202, 202])
    expect(after.json()).toEqual(before.json())
    expect(after.json().run.turn).toBe(2)
    expect(await rows('run_inputs', 'content', 'go on')).toBe(1)
  })
})

describe('the key of a run', () => {
  const run = async (taskId: string, id: string, idempotencyKey: string) =>
    database.db.transaction().execute((tx) =>
      insertRun(tx, {
        id,
        taskId,
        profile: null,
        tag: id,
        mode: 'sandboxed',
        config: JSON.parse('{}'),
        sources: JSON.parse('{}'),
        idempotencyKey,
        requestDigest: 'd',
        inputId: uuid(),
        prompt: 'p',
        retryOf: null,
        forkOf: null,
      }),
    )

  test('is made once, and shown by the newest run that was made with it', async () => {
    const taskId = await insertTaskRow(database.db)
    const [older, newer] = [uuid(), uuid()]

    expect(await run(taskId, older, 'shared')).toBe(true)
    expect(await run(taskId, older, 'shared')).toBe(false)
    expect(await run(taskId, newer, 'shared')).toBe(true)

    const shown = await database.db
      .selectFrom('runs')
      .select(['id', 'idempotency_key'])
      .where('task_id', '=', taskId)
      .orderBy('id')
      .execute()
    expect(shown).toEqual([
      { id: older, idempotency_key: null },
      { id: newer, idempotency_key: 'shared' },
    ])
  })
})
