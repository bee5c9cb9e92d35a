import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NewEvent } from '../../internal/event/event.ts'
import { append, readEvents } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { toStorable } from '../../internal/event/storable.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertReplica, insertRunRow } from '../support/rows.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.close())

const storable = (text: string) =>
  toStorable({ payload: { log: { level: 'info', message: text } } }, createRedactor())
const query = (runId: string) => ({ runId, after: 0, limit: 5000, types: [] })

describe('append', () => {
  test('numbers events from 1 without gaps over batches', async () => {
    const runId = await insertRunRow(database.db)

    const first = await append(database.db, {
      runId,
      from: ['pending'],
      fence: null,
      patch: {},
      events: [storable('a'), storable('b')],
    })
    const second = await append(database.db, {
      runId,
      from: ['pending'],
      fence: null,
      patch: {},
      events: [storable('c')],
    })

    expect([...(first ?? []), ...(second ?? [])].map((event) => event.seq)).toEqual([1, 2, 3])
    const stored = await readEvents(database.db, query(runId))
    expect(stored.map((event) => [event.seq, event.payloadText])).toEqual([
      [1, '{"log":{"level":"info","message":"a"}}'],
      [2, '{"log":{"level":"info","message":"b"}}'],
      [3, '{"log":{"level":"info","message":"c"}}'],
    ])
    expect(stored.map((event) => event.id)).toEqual(
      [...(first ?? []), ...(second ?? [])].map((event) => event.id),
    )
  })

  test('changes nothing for a stale attempt, a repeated batch, or a status that moved on', async () => {
    const replica = await insertReplica(database.db)
    const runId = await insertRunRow(database.db, {
      status: 'running',
      attempt: 2,
      lease_owner: replica,
      last_batch: 5,
    })
    const events = [storable('x')]

    expect(
      await append(database.db, {
        runId,
        from: ['running'],
        fence: { attempt: 1, batch: 6 },
        patch: {},
        events,
      }),
    ).toBeNull()
    expect(
      await append(database.db, {
        runId,
        from: ['running'],
        fence: { attempt: 2, batch: 5 },
        patch: {},
        events,
      }),
    ).toBeNull()
    expect(
      await append(database.db, {
        runId,
        from: ['starting'],
        fence: { attempt: 2, batch: 6 },
        patch: {},
        events,
      }),
    ).toBeNull()
    expect(await readEvents(database.db, query(runId))).toEqual([])

    expect(
      await append(database.db, {
        runId,
        from: ['running'],
        fence: { attempt: 2, batch: 6 },
        patch: {},
        events,
      }),
    ).toHaveLength(1)
  })

  test('keeps numbers gapless and unique when many write at once', async () => {
    const runId = await insertRunRow(database.db)
    const writers = Array.from({ length: 40 }, (_, index) =>
      append(database.db, {
        runId,
        from: ['pending'],
        fence: null,
        patch: {},
        events: [storable(`${index}`), storable(`${index}`)],
      }),
    )
    await Promise.all(writers)

    const stored = await readEvents(database.db, query(runId))

    expect(stored.map((event) => event.seq)).toEqual(Array.from({ length: 80 }, (_, index) => index + 1))
  })

  test('stores whatever an agent prints', async () => {
    const runId = await insertRunRow(database.db)
    const nasty: NewEvent = {
      payload: {
        tool_call: {
          tool_name: 'a\0b',
          tool_call_id: '\ud800',
          input: JSON.parse('{"__proto__":{"x":1},"n":1e400}'),
        },
      },
      raw: 'raw \0 \udfff',
    }

    await append(database.db, {
      runId,
      from: ['pending'],
      fence: null,
      patch: {},
      events: [toStorable(nasty, createRedactor())],
    })

    const [stored] = await readEvents(database.db, query(runId))
    expect(JSON.parse(stored?.payloadText ?? '')).toEqual({
      tool_call: {
        tool_name: 'a\ufffdb',
        tool_call_id: '\ufffd',
        input: JSON.parse('{"__proto__":{"x":1},"n":null}'),
      },
    })
    expect(stored?.raw).toBe('raw \ufffd \ufffd')
  })
})

describe('the log', () => {
  test.each([
    'UPDATE agent_manager.run_events SET payload = $$x$$',
    'DELETE FROM agent_manager.run_events',
    'TRUNCATE agent_manager.run_events',
  ])('refuses %s from the runtime role and from the owner', async (statement) => {
    const owner = await import('../../internal/db/pool.ts').then(({ openDatabase }) =>
      openDatabase({ connection: database.owner, max: 1, log: { warn: () => undefined } as never }),
    )
    try {
      await expect(sql.raw(statement).execute(database.db)).rejects.toThrow(/permission denied/)
      await expect(sql.raw(statement).execute(owner.db)).rejects.toThrow(/append-only/)
    } finally {
      await owner.close()
    }
  })

  test('keeps events of other runs apart and pages by number', async () => {
    const [one, two] = [await insertRunRow(database.db), await insertRunRow(database.db)]
    for (const runId of [one, two, one]) {
      await append(database.db, {
        runId,
        from: ['pending'],
        fence: null,
        patch: {},
        events: [storable(runId)],
      })
    }

    const page = await readEvents(database.db, { ...query(one), after: 1, limit: 10 })

    expect(page.map((event) => [event.runId, event.seq])).toEqual([[one, 2]])
    expect(await readEvents(database.db, query(uuid()))).toEqual([])
  })
})
