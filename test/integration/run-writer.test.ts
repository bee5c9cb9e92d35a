import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_QUEUED_EVENTS, RunWriter } from '../../internal/engine/run-writer.ts'
import type { NewEvent, StoredEvent } from '../../internal/event/event.ts'
import { readEvents } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { createLogger } from '../../internal/log.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.close())

const line = (text: string): NewEvent => ({ payload: { log: { level: 'info', message: text } } })
const messages = (events: readonly StoredEvent[]) =>
  events.map((event) => JSON.parse(event.payloadText).log.message)
const logOf = (runId: string) => readEvents(database.db, { runId, after: 0, limit: 5000, types: [] })

function writerFor(runId: string, more: { attempt?: number; isTrusted?: () => boolean } = {}) {
  const published: StoredEvent[] = []
  let lost = 0
  const writer = new RunWriter({
    db: database.db,
    redactor: createRedactor(),
    log: createLogger('error'),
    runId,
    attempt: more.attempt ?? 1,
    publish: (events) => published.push(...events),
    isTrusted: more.isTrusted ?? (() => true),
    lost: () => {
      lost += 1
    },
  })
  return { writer, published, lostCalls: () => lost }
}

const runningRun = () => insertRunRow(database.db, { status: 'running', attempt: 1 })

describe('the owner’s pen', () => {
  test('keeps the order of events and status changes, and publishes what is committed', async () => {
    const runId = await runningRun()
    const { writer, published } = writerFor(runId)
    for (let n = 1; n <= 250; n += 1) await writer.write(line(`${n}`))
    await writer.change({
      from: ['running'],
      patch: { phase: 'collecting_results' },
      events: [line('change')],
    })
    await writer.write(line('after'))
    await writer.flush()

    const expected = [...Array.from({ length: 250 }, (_, index) => `${index + 1}`), 'change', 'after']
    expect(messages(await logOf(runId))).toEqual(expected)
    expect(messages(published)).toEqual(expected)
  })

  test('makes a flood wait at its source', async () => {
    const runId = await runningRun()
    const { writer } = writerFor(runId)
    let accepted = 0
    // A lock on the run's row holds every commit back.
    await database.db.transaction().execute(async (tx) => {
      await tx.selectFrom('runs').select('id').where('id', '=', runId).forUpdate().execute()
      const writes = Array.from({ length: MAX_QUEUED_EVENTS + 200 }, (_, n) =>
        writer.write(line(`${n}`)).then(() => (accepted += 1)),
      )
      await new Promise((resolve) => setImmediate(resolve))
      expect(accepted).toBeLessThanOrEqual(MAX_QUEUED_EVENTS + 100)
      expect(accepted).toBeLessThan(writes.length)
    })
    await writer.flush()
    expect(await logOf(runId)).toHaveLength(MAX_QUEUED_EVENTS + 200)
  })

  test('writes nothing once another attempt owns the run', async () => {
    const runId = await runningRun()
    const { writer, lostCalls } = writerFor(runId)
    await writer.write(line('mine'))
    await writer.flush()
    await database.db.updateTable('runs').set({ attempt: 2, last_batch: 0 }).where('id', '=', runId).execute()

    await writer.write(line('stale'))
    await writer.flush()
    const changed = await writer.change({
      from: ['running'],
      patch: { status: 'complete' },
      events: [line('stale end')],
    })

    expect([changed, writer.isLost, lostCalls()]).toEqual([false, true, 1])
    expect(messages(await logOf(runId))).toEqual(['mine'])
  })

  test('takes a batch whose answer was lost for what it is: committed once', async () => {
    const runId = await runningRun()
    const first = writerFor(runId)
    await first.writer.change({ from: ['running'], patch: {}, events: [line('once')] })

    // The same batch again, as after a reply that never came.
    const again = writerFor(runId)
    const isOurs = await again.writer.change({ from: ['running'], patch: {}, events: [line('once')] })

    expect([isOurs, again.writer.isLost]).toEqual([true, false])
    expect(messages(await logOf(runId))).toEqual(['once'])
  })

  test('stops when the lease can no longer be trusted', async () => {
    const runId = await runningRun()
    const { writer, lostCalls } = writerFor(runId, { isTrusted: () => false })

    await writer.write(line('too late'))
    await writer.flush()

    expect([writer.isLost, lostCalls()]).toEqual([true, 1])
    expect(await logOf(runId)).toEqual([])
  })

  test('goes on after the database closed every connection', async () => {
    const runId = await runningRun()
    const { writer } = writerFor(runId)
    await writer.write(line('before'))
    await writer.flush()
    const { openDatabase } = await import('../../internal/db/pool.ts')
    const owner = openDatabase({ connection: database.owner, max: 1, log: createLogger('error') })
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`.execute(
      owner.db,
    )
    await owner.close()

    await writer.write(line('after'))
    await writer.flush()

    expect(messages(await logOf(runId))).toEqual(['before', 'after'])
  })

  test('reads again while the database is away, as long as the lease can be relied on, and nothing else', async () => {
    const away = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
    const failing = (error: Error, times: number) => {
      let asked = 0
      return async () => {
        asked += 1
        if (asked <= times) throw error
        return asked
      }
    }
    const runId = await runningRun()

    expect(await writerFor(runId).writer.read(failing(away, 2))).toBe(3)

    let isTrusted = true
    const untrusted = writerFor(runId, { isTrusted: () => isTrusted }).writer.read(async () => {
      isTrusted = false
      throw away
    })
    await expect(untrusted).rejects.toBe(away)
    const bug = new Error('a bug')
    await expect(writerFor(runId).writer.read(failing(bug, 1))).rejects.toBe(bug)
  })
})
