/** What a run is explained with, read from a real database and the real stand-in of the sandbox service. */
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recordSandbox } from '../../internal/engine/run-work-store.ts'
import { ExplainService } from '../../internal/explain/explain-service.ts'
import { insertInteraction } from '../../internal/interaction/interaction-store.ts'
import type { RunStatus } from '../../internal/run/run.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertReplica, insertRunRow, insertTaskRow } from '../support/rows.ts'
import { runUseCases } from '../support/run-service.ts'
import { makeProject } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

let database: TestDatabase
let server: SandboxServer
let projectRoot: string
beforeAll(async () => {
  database = await createTestDatabase()
  server = await startSandboxServer({})
  projectRoot = await makeProject()
})
afterAll(async () => {
  await server.stop()
  await database.close()
})

const service = (change: Parameters<typeof runUseCases>[2] = {}) =>
  new ExplainService({
    db: database.db,
    admission: runUseCases(database, server, change).admission,
    projectRoots: [],
    places: 2,
    engine: { load: { runs: 2 }, claimState: 'claiming' },
  })
const explained = async (id: string, of = service()) => {
  const { checks, ...rest } = await of.explain(id)
  return { ...rest, checks: Object.fromEntries(checks.map(({ name, ok, detail }) => [name, { ok, detail }])) }
}
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute))
const aTask = () => insertTaskRow(database.db, projectRoot)

test('a run that waits: its place, the room there is, what it needs', async () => {
  const { db } = database
  const taskId = await aTask()
  await insertRunRow(db, { task_id: taskId, created_at: at(1) })
  await insertRunRow(db, { task_id: taskId, created_at: at(2), status: 'running' })
  const parked = await insertRunRow(db, { task_id: taskId, created_at: at(3), pending_interactions: 1 })
  const id = await insertRunRow(db, { task_id: taskId, created_at: at(4) })
  await insertRunRow(db, { task_id: taskId, created_at: at(5) })
  const { checks, waitingOn, estimate } = await explained(id)
  expect(waitingOn?.kind).toBe('capacity')
  expect(checks['queue']).toEqual({ ok: false, detail: '1 before it' })
  expect(checks['capacity']).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/; 1 runs are worked on/),
  })
  expect(checks['runner']?.ok).toBe(true)
  expect(checks['sandbox_service']?.ok).toBe(true)
  expect(estimate).toBeNull()
  for (let n = 0; n < 5; n += 1) {
    await insertRunRow(db, { task_id: taskId, status: 'complete', started_at: at(10), ended_at: at(13) })
  }
  expect((await explained(id)).estimate).toBe('180s')
  expect((await explained(parked)).checks['queue']).toBeUndefined()
})

test('a run that waits for something that is not there any more', async () => {
  const gone = await insertRunRow(database.db)
  expect((await explained(gone)).checks['project_root']).toMatchObject({ ok: false })
  const id = await insertRunRow(database.db, { task_id: await aTask() })
  const { checks, nextStep } = await explained(id, service({ environment: {} }))
  expect(checks['provider_access']).toMatchObject({ ok: false })
  expect(nextStep).toMatch(/mend provider_access/)
})

test('a run that is driven: its replica, what it asks, a stop', async () => {
  const { db } = database
  const owner = await insertReplica(db)
  const id = await insertRunRow(db, {
    task_id: await aTask(),
    status: 'running',
    turn: 2,
    lease_owner: owner,
    last_heartbeat_at: new Date(),
    pending_interactions: 1,
    interrupt_turn: 2,
    interrupt_by: 'bob',
  })
  const interactionId = uuid()
  await insertInteraction(db, {
    id: interactionId,
    runId: id,
    turn: 2,
    attempt: 1,
    kind: 'permission',
    toolName: 'write',
    reach: 'inside',
    detail: '/p/x',
    input: '{}',
    questions: '[]',
    digest: 'd',
    fallback: 'deny',
    timeoutMs: 60_000,
  })
  const before = await db
    .selectFrom('runs')
    .select('interactions_read_at')
    .where('id', '=', id)
    .executeTakeFirst()
  const { checks, estimate } = await explained(id)
  expect(checks['lease']).toMatchObject({
    ok: true,
    detail: expect.stringContaining(`replica ${owner} on test`),
  })
  expect(checks['interaction_permission']?.detail).toContain(interactionId)
  expect(checks['interrupting']?.detail).toMatch(/bob/)
  expect(Number.parseInt(estimate ?? '', 10)).toBeGreaterThan(30)
  // Nobody was there: a program may have asked.
  expect(
    await db.selectFrom('runs').select('interactions_read_at').where('id', '=', id).executeTakeFirst(),
  ).toEqual(before)
  await db
    .updateTable('runs')
    .set({ stop_requested_at: new Date(), stop_requested_by: 'ann' })
    .where('id', '=', id)
    .execute()
  await db.updateTable('replicas').set({ stopped_at: new Date() }).where('id', '=', owner).execute()
  const after = await explained(id)
  expect(after.checks['stopping']?.detail).toMatch(/ann/)
  expect(after.checks['lease']).toMatchObject({ ok: false, detail: expect.stringMatching(/gone/) })
})

test('a run in review: its changes, its sandbox, its approval', async () => {
  const { db } = database
  const { admission } = runUseCases(database, server)
  const id = await insertRunRow(db, {
    task_id: await aTask(),
    status: 'needs_review',
    approval_state: 'pending',
    diff_digest: 'sha256:d',
    diff_files: 2,
    diff_additions: 3,
    diff_deletions: 1,
  })
  const { id: sandboxId } = await admission.sandbox.create({
    key: `run:${id}:sandbox:1`,
    owner: 'run',
    projectRoot,
  })
  await recordSandbox(db, id, 1, sandboxId)
  const { checks, nextStep } = await explained(id)
  expect(checks['changes']?.detail).toBe('2 files, +3 -1, digest sha256:d')
  expect(checks['sandbox']).toEqual({ ok: true, detail: `sandbox ${sandboxId}, generation 1: active` })
  expect(nextStep).toContain(`/api/v1/runs/${id}/approve`)
  expect(checks['runner']).toBeUndefined()
  await db
    .insertInto('approvals')
    .values({
      id: uuid(),
      run_id: id,
      turn: 1,
      digest: 'd',
      actor: 'ann',
      automatic: false,
      create_commit: null,
      commit_message: '',
      state: 'planned',
      plan: null,
      commit_hash: null,
      error: 'the sandbox service is away',
      lease_owner: await insertReplica(db),
      lease_expires_at: new Date(),
    })
    .execute()
  await admission.sandbox.delete(sandboxId)
  const after = await explained(id)
  expect(after.checks['approval']?.detail).toMatch(
    /by ann is being carried out \(planned\), held up: the sandbox/,
  )
  expect(after.checks['sandbox']).toMatchObject({ ok: false, detail: expect.stringMatching(/gone/) })
})

test.each(['complete', 'failed', 'cancelled'] as const satisfies readonly RunStatus[])(
  'a run that is %s needs nothing',
  async (status) => {
    const id = await insertRunRow(database.db, { status })
    const { checks, nextStep } = await explained(id)
    expect(Object.keys(checks)).toEqual(status === 'failed' ? ['failure'] : [])
    expect(nextStep.length).toBeGreaterThan(20)
  },
)

test('a run that is not there', async () => {
  await expect(service().explain(uuid())).rejects.toMatchObject({ code: 'NOT_FOUND_RUN' })
})
