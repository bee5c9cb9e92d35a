import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClaudeCodeAdapter } from '../../adapters/runners/claude-code/index.ts'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { planTurn } from '../../internal/engine/turn-plan.ts'
import { append, readEvents } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { toStorable } from '../../internal/event/storable.ts'
import { Conversation } from '../../internal/run/conversation.ts'
import { deliverInput, InputChanged, insertInput, queuedInput } from '../../internal/run/input-store.ts'
import { findRun } from '../../internal/run/run-store.ts'
import { RunnerRegistry } from '../../internal/runner/registry.ts'
import { TaskService } from '../../internal/task/task-service.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertReplica, insertRunRow } from '../support/rows.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.close())

const options = { command: 'none', path: '', environment: {} }
const registry = new RunnerRegistry({
  adapters: [createOpencodeAdapter(options), createClaudeCodeAdapter(options)],
  missing: [],
  containment: 'none',
  environment: {},
})
const redactor = createRedactor()
const woken: string[] = []
const conversation = () =>
  new Conversation({
    db: database.db,
    redactor,
    registry,
    publish: () => {},
    wake: () => woken.push('wake'),
    steer: (runId) => woken.push(`steer ${runId}`),
    interrupting: (runId) => woken.push(`interrupt ${runId}`),
  })
const inputsOf = async (runId: string) =>
  (await conversation().inputs(runId, { size: 1000, after: null, offset: 0 })).items
const say = (runId: string, message: string, delivery: 'queue' | 'steer' = 'queue') =>
  conversation().continue(runId, { message, delivery, actor: 'ann' })
const history = async (runId: string) =>
  (await readEvents(database.db, { runId, after: 0, limit: 100, types: [] })).map((event) => {
    const { status, input } = JSON.parse(event.payloadText)
    return status ? `${status.old_status}->${status.new_status} ${status.reason}` : `input ${input?.status}`
  })

describe('continue', () => {
  test.each(['needs_review', 'complete', 'failed', 'cancelled'] as const)(
    'takes a run that is %s back to the queue with a new turn',
    async (status) => {
      const runId = await insertRunRow(database.db, {
        status,
        turn: 3,
        turn_attempt: 2,
        diff_digest: 'd',
        diff_files: 1,
        diff_additions: 1,
        diff_deletions: 0,
      })
      const { run, input } = await say(runId, 'and now this')
      expect(run).toMatchObject({ status: 'pending', turn: 4, diff: null, endedAt: null, failure: null })
      expect(input).toMatchObject({
        status: 'queued',
        turn: 4,
        source: 'continue',
        sequence: null,
        actor: 'ann',
      })
      expect(await history(runId)).toEqual([`${status}->pending continued`])
    },
  )

  test('gives a running run a turn of its own, taken up when the present one is over', async () => {
    const runId = await insertRunRow(database.db, { status: 'running' })
    await say(runId, 'later')
    await conversation().goOn(runId)
    expect(await findRun(database.db, runId)).toMatchObject({ status: 'running', turn: 1 })
    await database.db
      .updateTable('runs')
      .set({ status: 'needs_review', lease_owner: null, lease_expires_at: null })
      .where('id', '=', runId)
      .execute()
    await conversation().goOn(runId)
    await conversation().goOn(runId)
    expect(await findRun(database.db, runId)).toMatchObject({ status: 'pending', turn: 2 })
    expect((await queuedInput(database.db, runId))?.content).toBe('later')
  })

  test('steers what runs, and what idles is simply told', async () => {
    const runId = await insertRunRow(database.db, { status: 'running', ...claude() })
    const { input } = await say(runId, 'more', 'steer')
    expect(input).toMatchObject({ delivery: 'steer', turn: 1 })
    expect(woken).toContain(`steer ${runId}`)
    await expect(
      say(await insertRunRow(database.db, { status: 'running' }), 'x', 'steer'),
    ).rejects.toMatchObject({
      code: 'RUNNER_CAPABILITY',
    })
    const idle = await insertRunRow(database.db, { status: 'needs_review' })
    expect((await say(idle, 'x', 'steer')).run.status).toBe('pending')
  })

  test('keeps the sandbox that is there and takes a new one where it is gone or going', async () => {
    const kept = await insertRunRow(database.db, { status: 'failed', sandbox_id: 's1' })
    const gone = await insertRunRow(database.db, { status: 'complete', sandbox_id: 's2' })
    for (const [run_id, sandbox_id, deleted_at] of [
      [kept, 's1', null],
      [gone, 's2', new Date()],
    ] as const) {
      await database.db
        .insertInto('run_sandboxes')
        .values({ run_id, generation: 1, sandbox_id, deleted_at })
        .execute()
    }
    expect((await say(kept, 'x')).run).toMatchObject({ sandboxId: 's1', sandboxGeneration: 1 })
    expect((await say(gone, 'x')).run).toMatchObject({ sandboxId: null, sandboxGeneration: 2 })
  })

  test('waits for an approval that is being carried out', async () => {
    const runId = await insertRunRow(database.db, { status: 'needs_review' })
    await database.db
      .insertInto('approvals')
      .values({
        id: uuid(),
        run_id: runId,
        turn: 1,
        digest: 'd',
        actor: 'a',
        automatic: true,
        create_commit: null,
        commit_message: '',
        state: 'landed',
        plan: null,
        commit_hash: null,
        error: null,
        lease_owner: await insertReplica(database.db),
        lease_expires_at: new Date(),
      })
      .execute()
    await expect(say(runId, 'x')).rejects.toMatchObject({ code: 'STATE_TRANSITION_INVALID' })
    expect(await inputsOf(runId)).toEqual([])
    await conversation().goOn(runId)
    expect((await findRun(database.db, runId))?.status).toBe('needs_review')
  })

  test('takes only so much that waits', async () => {
    const runId = await insertRunRow(database.db, { status: 'running' })
    for (let n = 0; n < 100; n += 1) await say(runId, `${n}`)
    await expect(say(runId, 'one more')).rejects.toThrow(/100 inputs/)
  })
})

describe('an input that waits', () => {
  test('can be changed and taken back, and one that was heard cannot', async () => {
    const runId = await insertRunRow(database.db, { status: 'running' })
    const first = (await say(runId, 'first')).input
    const second = (await say(runId, 'second')).input
    expect(await conversation().editInput(runId, first.id, 'better')).toMatchObject({ content: 'better' })
    expect(await conversation().cancelInput(runId, second.id)).toMatchObject({ status: 'cancelled' })
    expect(await conversation().cancelInput(runId, second.id)).toMatchObject({ status: 'cancelled' })
    await deliverInput(database.db, { ...first, content: 'better' }, { turn: 2, sequence: 9 })
    const gone = { code: 'STATE_INPUT_DELIVERED' }
    await expect(conversation().editInput(runId, first.id, 'x')).rejects.toMatchObject(gone)
    await expect(conversation().cancelInput(runId, first.id)).rejects.toMatchObject(gone)
    await expect(conversation().editInput(runId, uuid(), 'x')).rejects.toMatchObject({
      code: 'NOT_FOUND_INPUT',
    })
    expect(await inputsOf(runId)).toMatchObject([
      { content: 'better', status: 'delivered', sequence: 9 },
      { content: 'second', status: 'cancelled' },
    ])
    expect(await history(runId)).toEqual(['input cancelled'])
  })
})

describe('the inputs of a run', () => {
  test('come by page, and a page goes on where the one before ended', async () => {
    const runId = await insertRunRow(database.db, { status: 'running' })
    const other = await insertRunRow(database.db, { status: 'running' })
    for (const text of ['a', 'b', 'c', 'd', 'e']) await say(runId, text)
    await say(other, 'x')
    const page = (after: string | null) => conversation().inputs(runId, { size: 2, after, offset: 0 })
    const first = await page(null)
    await say(runId, 'f')
    const second = await page(first.next)
    const third = await page(second.next)
    expect([first, second, third].map(({ items }) => items.map(({ content }) => content))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
      ['e', 'f'],
    ])
    expect(third).toMatchObject({ total: 6, totalExact: true, next: null })
    await expect(page('abc')).rejects.toMatchObject({ code: 'VALIDATION_FIELD' })
  })
})

describe('interrupt', () => {
  test('is written down for a turn that runs, and refused where none does', async () => {
    const runId = await insertRunRow(database.db, { status: 'running', turn: 2 })
    await conversation().interrupt(runId, 'ann')
    expect(woken).toContain(`interrupt ${runId}`)
    const row = await database.db
      .selectFrom('runs')
      .select('interrupt_turn')
      .where('id', '=', runId)
      .executeTakeFirstOrThrow()
    expect(row.interrupt_turn).toBe(2)
    const waiting = await insertRunRow(database.db)
    await expect(conversation().interrupt(waiting, 'ann')).rejects.toMatchObject({
      code: 'STATE_TRANSITION_INVALID',
    })
    const over = await insertRunRow(database.db, { status: 'complete' })
    await expect(conversation().interrupt(over, 'ann')).rejects.toMatchObject({ code: 'STATE_TERMINAL' })
  })
})

describe('what a turn begins with', () => {
  const able = { continuation: true, resumeAnyDirectory: false }
  const plan = (
    row: { id: string; turn: number; session_id: string | null },
    isSameFolder = true,
    capabilities = able,
  ) => planTurn(database.db, row, { isSameFolder, capabilities })
  const tell = async (runId: string, content: string, turn: number) => {
    const input = {
      id: uuid(),
      runId,
      turn,
      source: 'continue',
      delivery: 'queue',
      content,
      actor: null,
    } as const
    await insertInput(database.db, input)
    return input
  }

  test('the input that waits, in its session where there is one', async () => {
    const runId = await insertRunRow(database.db)
    const { id } = await tell(runId, 'do it', 1)
    expect(await plan({ id: runId, turn: 1, session_id: null })).toMatchObject({
      input: { id },
      prompt: 'do it',
      resumePrompt: null,
      sessionId: null,
      isReplay: false,
    })
    expect(await plan({ id: runId, turn: 1, session_id: 's' })).toMatchObject({
      resumePrompt: 'do it',
      sessionId: 's',
    })
  })

  test('nothing, when its author took it back', async () => {
    expect(await plan({ id: await insertRunRow(database.db), turn: 2, session_id: 's' })).toBeNull()
  })

  test('never what its author has changed or taken back since it was read', async () => {
    const runId = await insertRunRow(database.db, { status: 'running' })
    const input = await tell(runId, 'first', 1)
    await conversation().editInput(runId, input.id, 'better')
    await expect(deliverInput(database.db, input, { turn: 1, sequence: 1 })).rejects.toThrow(InputChanged)
    await conversation().cancelInput(runId, input.id)
    const now = { ...input, content: 'better' }
    await expect(deliverInput(database.db, now, { turn: 1, sequence: 1 })).rejects.toThrow(InputChanged)
    expect(await inputsOf(runId)).toMatchObject([{ status: 'cancelled', content: 'better' }])
  })

  test('the conversation so far, where the session cannot go on', async () => {
    const runId = await insertRunRow(database.db)
    const event = toStorable({ payload: { message: { role: 'assistant', content: 'I did it' } } }, redactor)
    await append(database.db, { runId, from: ['pending'], fence: null, patch: {}, events: [event] })
    await tell(runId, 'and this', 2)
    const planned = await plan({ id: runId, turn: 2, session_id: 's' }, false)
    expect(planned).toMatchObject({ sessionId: null, isReplay: true })
    expect(planned?.prompt).toMatch(/I did it[\s\S]*and this$/)
    const anywhere = { ...able, resumeAnyDirectory: true }
    expect(await plan({ id: runId, turn: 2, session_id: 's' }, false, anywhere)).toMatchObject({
      sessionId: 's',
    })
  })

  test('a turn that was cut goes on in its folder, and starts over where that is gone', async () => {
    const runId = await insertRunRow(database.db)
    const input = await tell(runId, 'do it', 1)
    await deliverInput(database.db, input, { turn: 1, sequence: 1 })
    const row = { id: runId, turn: 1, session_id: 's' }
    expect(await plan(row)).toMatchObject({
      input: null,
      prompt: 'do it',
      sessionId: 's',
      resumePrompt: expect.stringMatching(/interrupted[\s\S]*do it$/),
    })
    const anywhere = { ...able, resumeAnyDirectory: true }
    expect(await plan(row, false, anywhere)).toMatchObject({
      input: null,
      prompt: 'do it',
      sessionId: null,
      resumePrompt: null,
    })
  })
})

function claude() {
  return {
    config: JSON.stringify({
      runnerType: 'claude-code',
      model: null,
      maxTurns: 1,
      timeoutMs: 60_000,
      idleTimeoutMs: 60_000,
      permissionMode: 'auto',
      requiresSandbox: true,
      requiresApproval: true,
      containment: 'preferred',
      network: 'allow',
      home: 'isolated',
      env: [],
    }),
  }
}

test('a finished run whose task was deleted goes on no more, and keeps nothing of what was said', async () => {
  const { db } = database
  const runId = await insertRunRow(db, { status: 'complete' })
  const tasks = new TaskService({ db, projectRoots: [] })
  const run = await findRun(db, runId)
  await tasks.delete(run?.taskId ?? '', null)

  await expect(say(runId, 'more')).rejects.toMatchObject({ code: 'NOT_FOUND_TASK' })

  expect(await inputsOf(runId)).toEqual([])
  expect((await findRun(db, runId))?.status).toBe('complete')
})
