import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EventPayload } from '../../internal/event/event.ts'
import { append } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { toStorable } from '../../internal/event/storable.ts'
import { TranscriptService } from '../../internal/transcript/transcript-service.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'

let database: TestDatabase
let transcripts: TranscriptService
beforeAll(async () => {
  database = await createTestDatabase()
  transcripts = new TranscriptService({ db: database.db })
})
afterAll(() => database.close())

const redactor = createRedactor()
const write = (runId: string, payloads: readonly EventPayload[], patch = {}) =>
  append(database.db, {
    runId,
    from: ['pending'],
    fence: null,
    patch,
    events: payloads.map((payload) => toStorable({ payload }, redactor)),
  })
const say = (content: string): EventPayload => ({ message: { role: 'assistant', content } })
const noise = (n: number): EventPayload[] =>
  Array.from({ length: n }, () => ({ log: { level: 'info', message: 'noise' } }))
const call = (id: string): EventPayload => ({
  tool_call: { tool_name: 'shell', input: {}, tool_call_id: id },
})
const result = (id: string): EventPayload => ({
  tool_result: { tool_name: 'shell', tool_call_id: id, output: id, error: null, success: true },
})

test('pages hold every entry once, whatever their size', async () => {
  const runId = await insertRunRow(database.db)
  for (let n = 0; n < 30; n += 1)
    await write(runId, [say(`a${n}`), ...noise(7), call(`c${n}`), result(`c${n}`)])
  const read = async (limit: number) => {
    const seen: number[] = []
    for (let after = 0; ; ) {
      const page = await transcripts.page(runId, { afterSequence: after, limit })
      expect(page.entries.length).toBeLessThanOrEqual(limit)
      seen.push(...page.entries.map(({ sequence }) => sequence))
      after = page.nextAfter
      if (!page.hasMore) return seen
    }
  }
  const whole = await read(1000)
  expect(whole).toHaveLength(60)
  for (const limit of [1, 7, 59, 60]) expect(await read(limit)).toEqual(whole)
  const end = await transcripts.page(runId, { afterSequence: 300, limit: 5 })
  expect(end).toEqual({ entries: [], hasMore: false, nextAfter: 300 })
})

test('what became of an entry is found far behind its page, but not beyond its turn', async () => {
  const runId = await insertRunRow(database.db)
  await write(runId, [call('far'), call('never')])
  for (let n = 0; n < 6; n += 1)
    await write(
      runId,
      Array.from({ length: 100 }, () => say('x')),
    )
  for (let n = 0; n < 5; n += 1) {
    await write(
      runId,
      Array.from({ length: 50 }, (_, at) => [call(`${n} ${at}`), result(`${n} ${at}`)]).flat(),
    )
  }
  await write(runId, [result('far')])
  await write(runId, [call('never'), result('never')], { turn: 2 })
  const page = await transcripts.page(runId, { afterSequence: 0, limit: 2 })
  expect(page.entries).toMatchObject([{ result: { output: 'far' } }, { toolCallId: 'never', result: null }])
  expect(page).toMatchObject({ hasMore: true, nextAfter: 2 })
})

test('a page ends early above 16 MiB, and the next one goes on', async () => {
  const runId = await insertRunRow(database.db)
  const big = 'x'.repeat(100_000)
  for (let n = 0; n < 25; n += 1)
    await write(
      runId,
      Array.from({ length: 10 }, () => say(big)),
    )
  const first = await transcripts.page(runId, { afterSequence: 0, limit: 1000 })
  expect(first.hasMore).toBe(true)
  expect(first.entries.length).toBeLessThan(250)
  const second = await transcripts.page(runId, { afterSequence: first.nextAfter, limit: 1000 })
  expect(first.entries.length + second.entries.length).toBe(250)
  expect(second.hasMore).toBe(false)
})

test('a run that is not there, or not shown any more, has none', async () => {
  const deleted = await insertRunRow(database.db, {
    status: 'failed',
    deleted_at: new Date(),
    deleted_by: 'ann',
  })
  for (const id of [uuid(), deleted]) {
    await expect(transcripts.page(id, { afterSequence: 0, limit: 1 })).rejects.toMatchObject({
      code: 'NOT_FOUND_RUN',
    })
  }
})
