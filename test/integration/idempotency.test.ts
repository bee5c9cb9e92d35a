/** Keys on real Postgres: one effect and one answer, whoever asks how often, and whoever dies meanwhile. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expireDeadReplicas, identifyReplica, registerReplica } from '../../internal/engine/replica.ts'
import {
  type KeyedRequest,
  MAX_KEPT_BODY_BYTES,
  type Reservation,
} from '../../internal/idempotency/idempotency.ts'
import { Idempotency, type IdempotencyDeps } from '../../internal/idempotency/idempotency-service.ts'
import { createLogger } from '../../internal/log.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertReplica } from '../support/rows.ts'

let database: TestDatabase
let root: string
beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'agent-manager-keys-')))
  database = await createTestDatabase(20)
})
afterAll(async () => {
  await database.close()
  rmSync(root, { recursive: true, force: true })
})

/** The keys of one replica. */
async function replica(change: Partial<IdempotencyDeps> = {}): Promise<Idempotency> {
  const replicaId = await insertReplica(database.db)
  return new Idempotency({ db: database.db, log: createLogger('fatal'), replicaId, ...change })
}

let count = 0
const request = (change: Partial<KeyedRequest> = {}): KeyedRequest => {
  count += 1
  return { principal: 'p', method: 'POST', path: '/x', key: `key ${count}`, digest: 'd', ...change }
}
const ANSWER = { status: 201, headers: { etag: '"1"' }, body: '{"made":true}' }
const FUTURE = sql<Date>`now() + interval '1 hour'`
const PAST = sql<Date>`now() - interval '1 second'`
const change = (columns: object) => database.db.updateTable('idempotency_records').set(columns).execute()
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'begun',
    (error: { code?: string }) => error.code,
  )
async function first(keys: Idempotency, of: KeyedRequest): Promise<Reservation> {
  const begun = await keys.begin(of)
  if (begun.kind !== 'first') throw new Error('it was to be the first')
  return begun.reservation
}

describe('a key', () => {
  test('gives its answer again, on every replica', async () => {
    const [here, there] = [await replica(), await replica()]
    const asked = request()
    await (await first(here, asked)).keep(ANSWER)

    expect(await here.begin(asked)).toEqual({ kind: 'repeat', answer: ANSWER })
    expect(await there.begin(asked)).toEqual({ kind: 'repeat', answer: ANSWER })
  })

  test('is refused with another request, while the first is carried out and after', async () => {
    const keys = await replica()
    const asked = request()
    const reservation = await first(keys, asked)

    expect(await codeOf(keys.begin({ ...asked, digest: 'other' }))).toBe('IDEMPOTENCY_MISMATCH')
    await reservation.keep(ANSWER)
    expect(await codeOf(keys.begin({ ...asked, digest: 'other' }))).toBe('IDEMPOTENCY_MISMATCH')
  })

  test('is a key of its own for another principal, method or path', async () => {
    const keys = await replica()
    const asked = request()
    await (await first(keys, asked)).keep(ANSWER)

    for (const other of [{ principal: 'q' }, { method: 'PUT' }, { path: '/y' }])
      expect((await keys.begin({ ...asked, ...other, digest: 'other' })).kind).toBe('first')
  })

  test('is free when the request failed; the same one makes the same thing, another one another', async () => {
    const keys = await replica()
    const asked = request()
    const failed = await first(keys, asked)
    await failed.free()

    const again = await first(keys, asked)
    await again.free()
    const other = await first(keys, { ...asked, digest: 'other' })

    expect(again.subjectId).toBe(failed.subjectId)
    expect(other.subjectId).not.toBe(failed.subjectId)
  })

  test('of an answer that is too long to keep is carried out again, as the same thing', async () => {
    const keys = await replica()
    const [fits, tooLong] = [request(), request()]
    const small = await first(keys, fits)
    const big = await first(keys, tooLong)
    await small.keep({ ...ANSWER, body: 'x'.repeat(MAX_KEPT_BODY_BYTES) })
    await big.keep({ ...ANSWER, body: 'x'.repeat(MAX_KEPT_BODY_BYTES + 1) })

    expect((await keys.begin(fits)).kind).toBe('repeat')
    expect(await codeOf(keys.begin({ ...tooLong, digest: 'other' }))).toBe('IDEMPOTENCY_MISMATCH')
    expect((await first(keys, tooLong)).subjectId).toBe(big.subjectId)
  })

  test('is new after a day', async () => {
    const keys = await replica()
    const asked = request()
    const old = await first(keys, asked)
    await old.keep(ANSWER)
    const { rows } = await sql<{ hours: number }>`
      SELECT extract(epoch FROM expires_at - now()) / 3600 AS hours
      FROM agent_manager.idempotency_records WHERE subject_id = ${old.subjectId}`.execute(database.db)
    expect(Number(rows[0]?.hours)).toBeCloseTo(24, 1)
    await change({ expires_at: PAST })

    const fresh = await first(keys, { ...asked, digest: 'other' })

    expect(fresh.subjectId).not.toBe(old.subjectId)
  })
})

describe('a request that is being carried out', () => {
  test('holds its repeats up until it is answered, here and elsewhere', async () => {
    const [here, there] = [await replica(), await replica()]
    const asked = request()
    const reservation = await first(here, asked)
    let answered = 0
    const repeats = [here, here, there].map(async (keys) => {
      const begun = await keys.begin(asked)
      expect(answered).toBe(1)
      return begun
    })
    await here.renewLeases()

    answered = 1
    await reservation.keep(ANSWER)

    for (const begun of await Promise.all(repeats)) expect(begun).toEqual({ kind: 'repeat', answer: ANSWER })
  })

  test('is told to come again when that takes too long', async () => {
    const [here, there] = [await replica({ waitMs: 60 }), await replica({ waitMs: 60 })]
    const asked = request()
    const reservation = await first(here, asked)
    const started = performance.now()

    const codes = await Promise.all([codeOf(here.begin(asked)), codeOf(there.begin(asked))])

    expect(codes).toEqual(['STATE_IDEMPOTENCY_IN_FLIGHT', 'STATE_IDEMPOTENCY_IN_FLIGHT'])
    expect(performance.now() - started).toBeGreaterThanOrEqual(59)
    await reservation.keep(ANSWER)
    expect((await here.begin(asked)).kind).toBe('repeat')
  })

  test('hands the key to exactly one of its repeats when it failed', async () => {
    const keys = await replica({ waitMs: 500 })
    const asked = request()
    const reservation = await first(keys, asked)
    const repeats = Array.from({ length: 5 }, () => keys.begin(asked))

    await reservation.free()
    const next = await Promise.any(
      repeats.map(async (repeat) => {
        const begun = await repeat
        if (begun.kind === 'first') return begun.reservation
        throw new Error('a repeat')
      }),
    )
    await next.keep(ANSWER)

    const kinds = (await Promise.all(repeats)).map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'first')).toHaveLength(1)
    expect(kinds.filter((kind) => kind === 'repeat')).toHaveLength(4)
  })
})

describe('a replica that dies while it carries a request out', () => {
  test('is waited for until its lease is over; then the same request goes on as the same thing', async () => {
    const [dead, next] = [await replica(), await replica({ waitMs: 50 })]
    const asked = request()
    const lost = await first(dead, asked)
    expect(await codeOf(next.begin(asked))).toBe('STATE_IDEMPOTENCY_IN_FLIGHT')
    await change({ lease_expires_at: PAST })

    expect(await codeOf(next.begin({ ...asked, digest: 'other' }))).toBe('IDEMPOTENCY_MISMATCH')
    const taken = await first(next, asked)
    expect(taken.subjectId).toBe(lost.subjectId)

    // It was not dead, only slow: what it says now counts no more.
    await lost.keep({ ...ANSWER, body: 'of the slow one' })
    await taken.keep(ANSWER)
    expect(await next.begin(asked)).toEqual({ kind: 'repeat', answer: ANSWER })
  })

  test('lives as long as it renews its leases', async () => {
    const slow = await replica()
    const asked = request()
    await first(slow, asked)
    await change({ lease_expires_at: PAST })
    await slow.renewLeases()

    expect(await codeOf((await replica({ waitMs: 20 })).begin(asked))).toBe('STATE_IDEMPOTENCY_IN_FLIGHT')
  })

  test('is not waited for where it is proven dead on this machine', async () => {
    const { db } = database
    const self = await identifyReplica(process.pid)
    const gone = { ...(await identifyReplica(process.pid)), pidStarted: '1' }
    await registerReplica(db, self)
    await registerReplica(db, gone)
    const asked = request()
    const lost = await first(await replica({ replicaId: gone.id }), asked)

    await expireDeadReplicas(db, self, async () => {})

    const taken = await first(await replica({ waitMs: 0 }), asked)
    expect(taken.subjectId).toBe(lost.subjectId)
  })
})

describe('what is over', () => {
  test('is removed in batches, and nothing else', async () => {
    const keys = await replica()
    await database.db.updateTable('idempotency_records').set({ expires_at: FUTURE }).execute()
    const [kept, held] = [request(), request()]
    await (await first(keys, kept)).keep(ANSWER)
    await sql`
      INSERT INTO agent_manager.idempotency_records
        (id, principal, method, path, request_digest, subject_id, state, reservation, lease_owner, lease_expires_at, expires_at)
      SELECT 'old ' || n, 'p', 'POST', '/x', 'd', gen_random_uuid(), 'freed', gen_random_uuid(), lease_owner, now(), now() - interval '1 second'
      FROM generate_series(1, 2500) n, (SELECT lease_owner FROM agent_manager.idempotency_records LIMIT 1) one`.execute(
      database.db,
    )
    const working = await first(keys, held)
    await database.db
      .updateTable('idempotency_records')
      .set({ expires_at: PAST })
      .where('subject_id', '=', working.subjectId)
      .execute()

    await Promise.all([keys.sweep(), (await replica()).sweep()])

    const { rows } = await sql<{ old: number }>`
      SELECT count(*) AS old FROM agent_manager.idempotency_records WHERE id LIKE 'old %'`.execute(
      database.db,
    )
    expect(rows[0]?.old).toBe(0)
    expect((await keys.begin(kept)).kind).toBe('repeat')
    await working.keep(ANSWER)
    expect((await keys.begin(held)).kind).toBe('repeat')
  })
})

test('starting and stopping twice is harmless', async () => {
  const keys = await replica()
  keys.start()
  keys.start()
  await keys.stop()
  await keys.stop()
})
