import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StoredEvent } from '../../internal/event/event.ts'
import type { EventFeed } from '../../internal/event/event-feed.ts'
import { EventService } from '../../internal/event/event-service.ts'
import { append } from '../../internal/event/event-store.ts'
import { feedOf } from '../../internal/event/feed-of.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { LIVE_BUFFER_EVENTS } from '../../internal/event/run-tail.ts'
import { toStorable } from '../../internal/event/storable.ts'
import { createLogger } from '../../internal/log.ts'
import { lastSeqs } from '../../internal/run/run-store.ts'
import { until } from '../support/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'

let database: TestDatabase
let feed: EventFeed
let service: EventService
beforeAll(async () => {
  database = await createTestDatabase()
  feed = feedOf(database.db, createLogger('error'))
  feed.start()
  service = new EventService({ db: database.db, feed })
})
afterAll(async () => {
  feed.stop()
  await database.close()
})

const event = toStorable({ payload: { log: { level: 'info', message: 'x' } } }, createRedactor())
const commit = (runId: string, count = 1) =>
  append(database.db, {
    runId,
    from: ['pending'],
    fence: null,
    patch: {},
    events: Array.from({ length: count }, () => event),
  })
const write = async (runId: string, count = 1) => feed.publish((await commit(runId, count)) ?? [])

function reader(delay: () => Promise<void> = () => Promise.resolve()) {
  const seqs: number[] = []
  return {
    seqs,
    watcher: {
      deliver: async (events: readonly StoredEvent[]) => {
        await delay()
        seqs.push(...events.map((each) => each.seq))
      },
      failed: (error: Error) => {
        throw error
      },
    },
  }
}
const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1)

describe('a subscription', () => {
  test('replays and goes on live without gap or repeat, whatever happens during the attach', async () => {
    const runId = await insertRunRow(database.db)
    await write(runId, 20)
    const writing = (async () => {
      for (let n = 0; n < 60; n += 1) await write(runId, 1 + (n % 4))
    })()
    const readers = Array.from({ length: 12 }, (_, index) => ({ after: index * 3, ...reader() }))
    const attached = []
    for (const each of readers)
      attached.push(await service.subscribe({ runId, afterSequence: each.after, ...each.watcher }))
    await writing
    const last = (await lastSeqs(database.db, [runId])).get(runId) ?? 0

    for (const each of readers) {
      await until(
        'the tail',
        async () => each.seqs.at(-1),
        (seq) => seq === last,
      )
      expect(each.seqs).toEqual(upTo(last).slice(each.after))
    }
    for (const one of attached) one.close()
  })

  test('serves a slow reader from the log once its buffer is full', async () => {
    const runId = await insertRunRow(database.db)
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow = reader(() => gate)
    const { close } = await service.subscribe({ runId, afterSequence: 0, ...slow.watcher })
    const total = LIVE_BUFFER_EVENTS * 3
    for (let n = 0; n < total / 64; n += 1) await write(runId, 64)

    release()

    await until(
      'the tail',
      async () => slow.seqs.length,
      (count) => count === total,
    )
    expect(slow.seqs).toEqual(upTo(total))
    close()
  })

  test('starts live when no cursor is given, and tells where it stands', async () => {
    const runId = await insertRunRow(database.db)
    await write(runId, 5)
    const live = reader()
    const attached = await service.subscribe({ runId, afterSequence: null, ...live.watcher })
    await write(runId, 2)

    await until(
      'the tail',
      async () => live.seqs.length,
      (count) => count === 2,
    )
    expect(attached).toMatchObject({ from: 6, through: 5, status: 'pending' })
    expect(live.seqs).toEqual([6, 7])
    attached.close()
  })

  test('finds what another replica wrote', async () => {
    const runId = await insertRunRow(database.db)
    const far = reader()
    const { close } = await service.subscribe({ runId, afterSequence: 0, ...far.watcher })

    await commit(runId, 3) // committed, but nobody here was told

    await until(
      'the poll',
      async () => far.seqs.length,
      (count) => count === 3,
    )
    expect(far.seqs).toEqual([1, 2, 3])
    close()
  })
})
