/** Watching many runs on a real log: nothing missing, nothing twice, whoever writes and whenever a run appears. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { StoredEvent } from '../../internal/event/event.ts'
import type { EventFeed } from '../../internal/event/event-feed.ts'
import { EventService } from '../../internal/event/event-service.ts'
import { append } from '../../internal/event/event-store.ts'
import { feedOf } from '../../internal/event/feed-of.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import type { RunSelection } from '../../internal/event/run-selection.ts'
import { toStorable } from '../../internal/event/storable.ts'
import { createLogger } from '../../internal/log.ts'
import type { RunStatus } from '../../internal/run/run.ts'
import { until } from '../support/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow, insertTaskRow } from '../support/rows.ts'

let database: TestDatabase
let feed: EventFeed
let service: EventService
const closing: { close(): void }[] = []
beforeAll(async () => {
  database = await createTestDatabase()
  feed = feedOf(database.db, createLogger('error'))
  feed.start()
  service = new EventService({ db: database.db, feed })
})
afterEach(() => {
  for (const one of closing.splice(0)) one.close()
})
afterAll(async () => {
  feed.stop()
  await database.close()
})

const event = toStorable({ payload: { log: { level: 'info', message: 'x' } } }, createRedactor())

/** As another replica does it: committed, and nobody here is told. */
const commit = (runId: string, count = 1, from: RunStatus = 'pending', patch = {}) =>
  append(database.db, {
    runId,
    from: [from],
    fence: null,
    patch,
    events: Array.from({ length: count }, () => event),
  })
const write = async (runId: string, count = 1) => feed.publish((await commit(runId, count)) ?? [])

/** A run with its first events, in one transaction. */
const newRun = (given: { task_id?: string; tag?: string } = {}, count = 1) =>
  database.db.transaction().execute(async (tx) => {
    const runId = await insertRunRow(tx, given)
    const events = Array.from({ length: count }, () => event)
    return { runId, events: await append(tx, { runId, from: ['pending'], fence: null, patch: {}, events }) }
  })

const END = { status: 'cancelled', ended_at: sql<Date>`now()` } as const

async function follow(selection: RunSelection, cursors: Record<string, number> = {}, maxRuns = 10_000) {
  const seen = new Map<string, number[]>()
  const failures: Error[] = []
  const attached = await service.subscribeMany({
    selection,
    cursors: new Map(Object.entries(cursors)),
    maxStart: 1000,
    maxRuns,
    deliver: async (events: readonly StoredEvent[]) => {
      for (const { runId, seq } of events) seen.set(runId, [...(seen.get(runId) ?? []), seq])
    },
    failed: (error) => void failures.push(error),
  })
  closing.push(attached)
  const has = (runId: string, seqs: number[]) =>
    until(
      `events of ${runId}`,
      async () => seen.get(runId) ?? [],
      (got) => got.length >= seqs.length,
      10_000,
    ).then((got) => expect(got).toEqual(seqs))
  return { seen, has, attached, failures }
}
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe('a watch over many runs', () => {
  test('replays named runs, starts others live, and new ones at 1, on whichever replica they are', async () => {
    const prefix = randomUUID()
    const { runId: named } = await newRun({ tag: `${prefix}-a` }, 5)
    const { runId: unnamed } = await newRun({ tag: `${prefix}-b` }, 5)
    const { runId: foreign } = await newRun({ tag: 'other' }, 5)
    const { seen, has, attached } = await follow({ kind: 'tag', prefix }, { [named]: 2 })
    await write(unnamed, 2)
    await commit(unnamed, 2)
    const { runId: far } = await newRun({ tag: `${prefix}-c` }, 3)
    await write(foreign)
    const near = await newRun({ tag: `${prefix}-d` }, 2)
    feed.publish(near.events ?? [])
    await write(near.runId)

    await has(named, range(3, 5))
    await has(unnamed, range(6, 9))
    await has(far, range(1, 3))
    await has(near.runId, range(1, 3))
    expect(seen.has(foreign)).toBe(false)
    expect(attached.runs).toMatchObject([
      { runId: named, from: 3, through: 5, status: 'pending' },
      { runId: unnamed, from: 6, through: 5, status: 'pending' },
    ])
    expect([attached.covers(far), attached.covers(foreign)]).toEqual([true, false])
  })

  test('of a task has its runs only', async () => {
    const taskId = await insertTaskRow(database.db)
    const { seen, has } = await follow({ kind: 'task', taskId })
    const other = await newRun()
    const own = await newRun({ task_id: taskId }, 2)

    await has(own.runId, [1, 2])
    expect(seen.has(other.runId)).toBe(false)
  })

  test('has a run whose creation was under way when it started', async () => {
    const taskId = await insertTaskRow(database.db)
    const started = Promise.withResolvers<string>()
    const go = Promise.withResolvers<void>()
    const creating = database.db.transaction().execute(async (tx) => {
      const runId = await insertRunRow(tx, { task_id: taskId })
      await append(tx, { runId, from: ['pending'], fence: null, patch: {}, events: [event, event] })
      started.resolve(runId)
      await go.promise
    })
    const runId = await started.promise
    const { has } = await follow({ kind: 'task', taskId })
    go.resolve()
    await creating

    await has(runId, [1, 2])
  })

  test('goes on with a run that had finished, from what comes after its start', async () => {
    const { runId } = await newRun({}, 3)
    await commit(runId, 1, 'pending', END)
    // Long ago, as far as the roster can tell.
    await sql`UPDATE agent_manager.runs SET settled_at = now() - interval '1 hour', created_at = now() - interval '1 hour' WHERE id = ${runId}`.execute(
      database.db,
    )
    const { has, attached } = await follow({ kind: 'all' })
    expect(attached.runs.some((run) => run.runId === runId)).toBe(false)
    await commit(runId, 1, 'cancelled', { status: 'pending', ended_at: null })
    await commit(runId, 2)
    await commit(runId, 1, 'pending', END)
    await commit(runId, 1, 'cancelled')

    await has(runId, range(5, 9))
  })

  test('follows a finished run that a cursor names', async () => {
    const { runId } = await newRun({}, 3)
    await commit(runId, 1, 'pending', END)
    await sql`UPDATE agent_manager.runs SET settled_at = now() - interval '1 hour' WHERE id = ${runId}`.execute(
      database.db,
    )

    const { has, attached } = await follow({ kind: 'all' }, { [runId]: 1 })

    await has(runId, [2, 3, 4])
    expect(attached.runs).toContainEqual(expect.objectContaining({ runId, from: 2, through: 4 }))
  })

  test('has every event once while runs appear and are written during the attach', async () => {
    const taskId = await insertTaskRow(database.db)
    const old = await Promise.all(Array.from({ length: 5 }, () => newRun({ task_id: taskId }, 3)))
    const logs = new Map<string, number>(old.map(({ runId }) => [runId, 3]))
    const writing = (async () => {
      for (let n = 0; n < 60; n += 1) {
        if (n % 6 === 0) {
          const { runId, events } = await newRun({ task_id: taskId }, 2)
          logs.set(runId, 2)
          if (n % 12 === 0) feed.publish(events ?? [])
        }
        const ids = [...logs.keys()]
        const runId = ids[(n * 7) % ids.length] ?? ''
        const count = 1 + (n % 3)
        await (n % 2 === 0 ? write(runId, count) : commit(runId, count))
        logs.set(runId, (logs.get(runId) ?? 0) + count)
      }
    })()
    const readers = []
    for (let index = 0; index < 6; index += 1) {
      const cursors = Object.fromEntries(old.map(({ runId }) => [runId, index % 4]))
      readers.push({ ...(await follow({ kind: 'task', taskId }, cursors)), first: index % 4 })
    }
    await writing

    for (const { has, seen, first } of readers) {
      for (const { runId } of old) await has(runId, range(first + 1, logs.get(runId) ?? 0))
      for (const [runId, seqs] of seen) {
        const last = logs.get(runId) ?? 0
        await until(
          'the tail',
          async () => seen.get(runId)?.at(-1),
          (seq) => seq === last,
        )
        expect(seen.get(runId)).toEqual(range(seqs[0] ?? 0, last))
      }
    }
  })

  test('is refused where it starts too wide, and ends where it grows too wide', async () => {
    const taskId = await insertTaskRow(database.db)
    for (let n = 0; n < 3; n += 1) await newRun({ task_id: taskId })
    const request = {
      selection: { kind: 'task', taskId },
      cursors: new Map(),
      maxRuns: 3,
      deliver: () => Promise.resolve(),
      failed: () => undefined,
    } as const

    await expect(service.subscribeMany({ ...request, maxStart: 2 })).rejects.toMatchObject({
      code: 'SUBSCRIPTION_TOO_WIDE',
    })
    expect(feed.watched.wide).toBe(0)

    const { failures } = await follow({ kind: 'task', taskId }, {}, 3)
    await newRun({ task_id: taskId })
    await until(
      'the end',
      async () => failures.length,
      (count) => count === 1,
    )
    expect(failures[0]).toMatchObject({ code: 'SUBSCRIPTION_TOO_WIDE' })
    expect(feed.watched.wide).toBe(0)
  })

  test('counts as somebody who watches', async () => {
    const { runId, events } = await newRun()
    expect(feed.isWatched(runId)).toBe(false)
    const { attached } = await follow({ kind: 'tag', prefix: runId })
    expect(feed.isWatched(runId)).toBe(true)
    expect(events).toHaveLength(1)
    attached.close()
    expect(feed.isWatched(runId)).toBe(false)
  })
})

describe('the task of a status event', () => {
  const statusEvent = (to: RunStatus) =>
    toStorable({ payload: { status: { old_status: null, new_status: to, reason: null } } }, createRedactor())
  const told = async (runId: string, to: RunStatus, patch = {}, from: RunStatus = 'pending') => {
    const events = [statusEvent(to)]
    const [stored] = (await append(database.db, { runId, from: [from], fence: null, patch, events })) ?? []
    if (!stored) throw new Error('not written')
    return service.taskStatus(stored)
  }

  test('follows its newest run, as it was decided', async () => {
    const taskId = await insertTaskRow(database.db)
    const first = await insertRunRow(database.db, { task_id: taskId, status: 'needs_review' })

    expect(await told(first, 'needs_review', {}, 'needs_review')).toEqual({ taskId, status: 'needs_review' })
    const rejected = { status: 'complete', approval_state: 'rejected', ended_at: sql<Date>`now()` } as const
    expect(await told(first, 'complete', rejected, 'needs_review')).toEqual({ taskId, status: 'rejected' })
    const second = await insertRunRow(database.db, { task_id: taskId })
    expect(await told(second, 'pending')).toEqual({ taskId, status: 'queued' })
    expect(await told(first, 'complete', {}, 'complete')).toBeNull()
  })
})
