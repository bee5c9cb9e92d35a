import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { expireParked } from '../../internal/engine/expire-parked.ts'
import { type DeskDeps, InteractionDesk } from '../../internal/engine/interaction-desk.ts'
import { RunWriter } from '../../internal/engine/run-writer.ts'
import { readEvents } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import type { InteractionAnswer } from '../../internal/interaction/interaction.ts'
import { InteractionService } from '../../internal/interaction/interaction-service.ts'
import { createLogger } from '../../internal/log.ts'
import { findRun } from '../../internal/run/run-store.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.close())

const redactor = createRedactor()
redactor.add('a-very-secret-value')
const ALLOW: InteractionAnswer = {
  decision: 'allow',
  scope: 'once',
  input: null,
  message: null,
  interrupt: false,
  answers: null,
}
const DENY: InteractionAnswer = { ...ALLOW, decision: 'deny', message: 'not this' }

async function openDesk(runId: string, more: Partial<DeskDeps> = {}, attempt = 1) {
  const turn = new AbortController()
  const clock = { pauses: 0, running: true }
  const writer = new RunWriter({
    db: database.db,
    redactor,
    log: createLogger('error'),
    runId,
    attempt,
    publish: () => {},
    isTrusted: () => true,
    lost: () => {},
  })
  const desk = await InteractionDesk.open(
    {
      db: database.db,
      redactor,
      writer,
      runId,
      turn: 1,
      attempt,
      config: { interactionTimeoutMs: 60_000, interactionDefault: 'deny' },
      deadlines: { pause: () => (clock.pauses += 1), resume: () => (clock.pauses -= 1) },
      signal: turn.signal,
      isWatched: () => false,
      parkAfterMs: null,
      park: () => {},
      ...more,
    },
    new Date(Date.now() - 60_000),
  )
  return { desk, turn, clock, writer }
}

const request = (more: object = {}) => ({
  toolName: 'shell',
  reach: 'inside' as const,
  detail: 'echo a-very-secret-value',
  input: { command: 'echo a-very-secret-value' },
  path: null,
  withdrawn: new AbortController().signal,
  ...more,
})

const answeredRuns: string[] = []
const service = () =>
  new InteractionService({
    db: database.db,
    redactor,
    publish: () => {},
    answered: (runId) => answeredRuns.push(runId),
  })

const running = (attempt = 1) => insertRunRow(database.db, { status: 'running', attempt })
const pendingOf = (runId: string) =>
  vi.waitFor(async () => {
    const [first, ...rest] = await service().pending(runId)
    if (!first) throw new Error('nothing is pending yet')
    return { ...first, others: rest.length }
  })
const history = async (runId: string) =>
  (await readEvents(database.db, { runId, after: 0, limit: 100, types: ['interaction'] })).map((event) => {
    const { status, decision, decided_by, reason } = JSON.parse(event.payloadText).interaction
    return [status, decision, decided_by, reason]
  })

describe('a permission request', () => {
  test('is a row and an event before anybody is told, and its answer reaches the agent', async () => {
    const runId = await running()
    const { desk, clock } = await openDesk(runId)
    const decided = desk.permission(request())
    const pending = await pendingOf(runId)

    expect(pending).toMatchObject({
      kind: 'permission',
      toolName: 'shell',
      detail: 'echo ***',
      input: { command: 'echo ***' },
      status: 'pending',
      answer: null,
    })
    expect(clock.pauses).toBe(1)
    expect(await findRun(database.db, runId)).toMatchObject({
      pendingInteractions: 1,
      waitingOn: { kind: 'interaction' },
    })

    const answered = await service().answer(runId, pending.id, DENY, 'ann')
    expect(answered).toMatchObject({ status: 'answered', answeredBy: 'ann', answer: DENY })
    expect(answeredRuns).toContain(runId)
    await desk.look()
    expect(await decided).toEqual(DENY)
    expect(clock.pauses).toBe(0)
    expect((await findRun(database.db, runId))?.pendingInteractions).toBe(0)
    expect(await history(runId)).toEqual([
      ['pending', null, null, 'echo ***'],
      ['answered', 'deny', 'ann', 'not this'],
    ])
  })

  test('takes one answer: the same again is fine, another is refused, whoever is faster', async () => {
    const runId = await running()
    const { desk } = await openDesk(runId)
    void desk.permission(request())
    const { id } = await pendingOf(runId)
    const results = await Promise.allSettled([
      service().answer(runId, id, ALLOW, 'ann'),
      service().answer(runId, id, DENY, 'bob'),
      service().answer(runId, id, ALLOW, 'cid'),
    ])
    const [winner] = await service().list(runId)
    const fates = results.map((result) => result.status)
    expect(fates).toEqual(
      winner?.answer?.decision === 'allow'
        ? ['fulfilled', 'rejected', 'fulfilled']
        : ['rejected', 'fulfilled', 'rejected'],
    )
    for (const result of results)
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'STATE_INTERACTION_CLOSED' })
    expect(await history(runId)).toHaveLength(2)
  })

  test('takes the default when its time is over; then nobody is waited for unless somebody looked', async () => {
    const runId = await running()
    const quick = { config: { interactionTimeoutMs: 30, interactionDefault: 'deny' } as const }
    const { desk } = await openDesk(runId, quick)

    expect(await desk.permission(request())).toMatchObject({ decision: 'deny' })
    expect(await desk.permission(request())).toMatchObject({ decision: 'deny' })
    expect((await history(runId)).map(([status, , , reason]) => [status, reason])).toEqual([
      ['pending', 'echo ***'],
      ['expired', 'Nobody allowed shell within 0.03s. Go on without it.'],
      ['expired', 'unattended'],
    ])

    const watched = await running()
    const { desk: second } = await openDesk(watched, { ...quick, isWatched: () => true })
    await second.permission(request())
    await second.permission(request())
    expect((await history(watched)).map(([status]) => status)).toEqual([
      'pending',
      'expired',
      'pending',
      'expired',
    ])
  })

  test('a GET counts as somebody looking', async () => {
    const runId = await running()
    const { desk } = await openDesk(runId, {
      config: { interactionTimeoutMs: 30, interactionDefault: 'allow' },
    })
    await service().list(runId)
    expect(await desk.permission(request())).toMatchObject({ decision: 'allow' })
    await desk.permission(request())
    expect((await history(runId)).map(([status]) => status)).toEqual([
      'pending',
      'expired',
      'pending',
      'expired',
    ])
  })

  test('that the agent takes back is withdrawn, and the answer to it refused', async () => {
    const runId = await running()
    const { desk } = await openDesk(runId)
    const withdrawn = new AbortController()
    const decided = desk.permission(request({ withdrawn: withdrawn.signal }))
    const { id } = await pendingOf(runId)
    withdrawn.abort()
    expect(await decided).toBeNull()
    await expect(service().answer(runId, id, ALLOW, 'ann')).rejects.toMatchObject({
      code: 'STATE_INTERACTION_CLOSED',
    })
  })

  test('stays open when its turn is cut, and the next attempt gets the answer without asking again', async () => {
    const runId = await running()
    const first = await openDesk(runId)
    const cut = first.desk.permission(request())
    const { id } = await pendingOf(runId)
    first.turn.abort()
    expect(await cut).toBeNull()
    expect((await pendingOf(runId)).id).toBe(id)

    await service().answer(runId, id, { ...ALLOW, input: { command: 'echo changed' } }, 'ann')
    await database.db.updateTable('runs').set({ attempt: 2, last_batch: 0 }).where('id', '=', runId).execute()
    const next = await openDesk(runId, {}, 2)
    expect(await next.desk.permission(request())).toMatchObject({ input: { command: 'echo changed' } })
    expect(await history(runId)).toHaveLength(2)

    // It counts once: the same request again is a new question.
    void next.desk.permission(request())
    expect((await pendingOf(runId)).id).not.toBe(id)
  })

  test('allowed for the session is not asked again: a command as it is, another tool as such', async () => {
    const runId = await running()
    const { desk } = await openDesk(runId)
    const session = { ...ALLOW, scope: 'session' } as const
    for (const asked of [request(), request({ toolName: 'write', input: { path: 'a' } })]) {
      const decided = desk.permission(asked)
      await service().answer(runId, (await pendingOf(runId)).id, session, 'ann')
      await desk.look()
      expect(await decided).toEqual(session)
    }

    expect(await desk.permission(request())).toMatchObject({ decision: 'allow' })
    expect(await desk.permission(request({ toolName: 'write', input: { path: 'b' } }))).toMatchObject({
      decision: 'allow',
    })
    void desk.permission(request({ input: { command: 'rm -r /' } }))
    expect(await pendingOf(runId)).toMatchObject({ input: { command: 'rm -r /' }, others: 0 })
    void desk.permission(request({ toolName: 'write', reach: 'outside', input: { path: '/etc' } }))
    await vi.waitFor(async () => expect((await service().pending(runId)).length).toBe(2))
  })

  test('asks for its run to be parked when it waits too long', async () => {
    const runId = await running()
    const { promise, resolve } = Promise.withResolvers<void>()
    const { desk, turn } = await openDesk(runId, { parkAfterMs: 20, park: resolve })
    const decided = desk.permission(request())
    await promise
    turn.abort()
    expect(await decided).toBeNull()
    expect(await pendingOf(runId)).toMatchObject({ status: 'pending' })
  })
})

describe('a question', () => {
  const questions = [
    { question: 'Which?', header: null, multiSelect: false, options: [{ label: 'A', description: null }] },
  ]
  const asked = () => ({ questions, input: { questions }, withdrawn: new AbortController().signal })

  test('is answered by its own words', async () => {
    const runId = await running()
    const { desk } = await openDesk(runId)
    const answer = desk.question(asked())
    const { id } = await pendingOf(runId)
    const given = (answers: Record<string, string> | null) => ({ ...ALLOW, answers })
    await expect(service().answer(runId, id, given(null), 'ann')).rejects.toMatchObject({
      code: 'VALIDATION_FIELD',
    })
    await expect(service().answer(runId, id, given({ Why: 'A' }), 'ann')).rejects.toThrow(
      /nobody asked "Why"/,
    )
    await service().answer(runId, id, given({ 'Which?': 'A' }), 'ann')
    await desk.look()
    expect(await answer).toMatchObject({ answers: { 'Which?': 'A' } })
    expect((await history(runId)).map(([, , , reason]) => reason)).toContain('Which?: A')
  })

  test('nobody answers is told to the agent, whatever the default for permissions', async () => {
    const runId = await running()
    const { desk } = await openDesk(runId, {
      config: { interactionTimeoutMs: 20, interactionDefault: 'allow' },
    })
    expect(await desk.question(asked())).toMatchObject({
      decision: 'deny',
      answers: null,
      message: expect.stringMatching('Nobody'),
    })
  })
})

describe('a parked run', () => {
  test('is not claimed before its question is closed, by an answer or by its deadline', async () => {
    const runId = await running()
    const { desk, turn } = await openDesk(runId, {
      config: { interactionTimeoutMs: 60_000, interactionDefault: 'deny' },
    })
    void desk.permission(request())
    const { id } = await pendingOf(runId)
    turn.abort()
    await database.db
      .updateTable('runs')
      .set({ status: 'pending', lease_owner: null, lease_expires_at: null })
      .where('id', '=', runId)
      .execute()
    const deps = { db: database.db, redactor, publish: () => {} }
    expect(await expireParked(deps)).toBe(false)

    await database.db
      .updateTable('interactions')
      .set({ deadline_at: sql<Date>`now() - interval '1 second'` })
      .where('id', '=', id)
      .execute()
    expect(await expireParked(deps)).toBe(true)
    expect(await expireParked(deps)).toBe(false)
    expect(await findRun(database.db, runId)).toMatchObject({
      pendingInteractions: 0,
      waitingOn: { kind: 'capacity' },
    })
    expect((await service().list(runId))[0]).toMatchObject({
      status: 'expired',
      answer: { decision: 'deny' },
    })
  })
})

test('strangers are told apart', async () => {
  const runId = await running()
  await expect(service().list(uuid())).rejects.toMatchObject({ code: 'NOT_FOUND_RUN' })
  await expect(service().answer(runId, uuid(), ALLOW, 'ann')).rejects.toMatchObject({
    code: 'NOT_FOUND_INTERACTION',
  })
})
