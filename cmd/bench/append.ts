/** What the fence costs: the writer of a run against plain inserts of the same rows into a table of the same shape. */
import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Tables } from '../../internal/db/tables.ts'
import { RunWriter } from '../../internal/engine/run-writer.ts'
import type { NewEvent } from '../../internal/event/event.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { createLogger } from '../../internal/log.ts'
import { newDrivenRun } from './database.ts'
import { type Benchmark, inTurns, median } from './measure.ts'

const EVENTS = 10_000
const SINGLES = 300
/** As long as the usual line of an agent. */
const event: NewEvent = { payload: { message: { role: 'assistant', content: 'x'.repeat(800) } } }
const payload = JSON.stringify(event.payload)

/** Events a second of one run, as an agent that floods gets them in. Baseline: 100 rows a statement, no fence. */
export const appendBatched: Benchmark = async (db) => ({
  unit: 'events/s',
  against: 'plain INSERT of 100 rows a statement',
  ...(await inTurns(
    async () => {
      const writer = await newWriter(db)
      const startedAt = performance.now()
      for (let n = 0; n < EVENTS; n += 1) await writer.write(event)
      await writer.flush()
      return perSecond(EVENTS, startedAt)
    },
    async () => {
      const runId = uuid()
      const startedAt = performance.now()
      for (let n = 0; n < EVENTS; n += 100) await plainInsert(db, runId, n, 100)
      return perSecond(EVENTS, startedAt)
    },
  )),
})

/** Median milliseconds from an event to its commit, one at a time. Baseline: plain INSERT of one row. */
export const appendOne: Benchmark = async (db) => ({
  unit: 'ms',
  against: 'plain INSERT of one row',
  ...(await inTurns(
    async () => {
      const writer = await newWriter(db)
      return medianOf(async () => {
        await writer.write(event)
        await writer.flush()
      })
    },
    async () => {
      const runId = uuid()
      let n = 0
      return medianOf(() => {
        n += 1
        return plainInsert(db, runId, n, 1)
      })
    },
  )),
})

async function newWriter(db: Kysely<Tables>): Promise<RunWriter> {
  return new RunWriter({
    db,
    redactor: createRedactor(),
    log: createLogger('error'),
    runId: await newDrivenRun(db),
    attempt: 1,
    publish: () => undefined,
    isTrusted: () => true,
    lost: () => undefined,
  })
}

async function plainInsert(db: Kysely<Tables>, runId: string, from: number, count: number): Promise<void> {
  const ids = Array.from({ length: count }, () => uuid())
  const payloads = Array.from({ length: count }, () => payload)
  await sql`
    INSERT INTO agent_manager.bench_events (run_id, seq, id, turn, attempt, synthetic, created_at, name, payload, raw)
    SELECT ${runId}::uuid, ${from} + e.ordinal, e.id, 1, 1, false, now(), 'message', e.payload, NULL
    FROM unnest(${ids}::uuid[], ${payloads}::text[]) WITH ORDINALITY AS e(id, payload, ordinal)`.execute(db)
}

const perSecond = (count: number, startedAt: number): number =>
  (count * 1000) / (performance.now() - startedAt)

async function medianOf(work: () => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < SINGLES; n += 1) {
    const startedAt = performance.now()
    await work()
    times.push(performance.now() - startedAt)
  }
  return median(times)
}
