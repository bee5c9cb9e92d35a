import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { reapExpired } from '../../internal/engine/reaper.ts'
import {
  expireDeadReplicas,
  identifyReplica,
  registerReplica,
  retireReplica,
} from '../../internal/engine/replica.ts'
import type { StoredEvent } from '../../internal/event/event.ts'
import { append } from '../../internal/event/event-store.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { toStorable } from '../../internal/event/storable.ts'
import { createLogger } from '../../internal/log.ts'
import { claimRun, MAX_TURN_ATTEMPTS, renewLeases } from '../../internal/run/run-queue.ts'
import { statusEvent } from '../../internal/run/run-service.ts'
import { findRun } from '../../internal/run/run-store.ts'
import { RunnerRegistry } from '../../internal/runner/registry.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertReplica, insertRunRow } from '../support/rows.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(20)
})
afterAll(() => database.close())

const redactor = createRedactor()
const event = toStorable(statusEvent('pending', 'starting', null), redactor)
const claim = (replicaId: string, ttlMs = 60_000) =>
  database.db.transaction().execute((tx) => claimRun(tx, { replicaId, ttlMs, event }))
const opencode = createOpencodeAdapter({ command: 'none', path: '', environment: {} })
const registry = new RunnerRegistry({
  adapters: [opencode],
  missing: [],
  containment: 'none',
  environment: {},
})
const here = await identifyReplica(process.pid)
const reap = (
  published: StoredEvent[] = [],
  own: { replicaId: string; driven: readonly string[] } = { replicaId: here.id, driven: [] },
) =>
  reapExpired({
    db: database.db,
    redactor,
    log: createLogger('fatal'),
    registry,
    replica: { ...here, id: own.replicaId },
    isDriven: (runId) => own.driven.includes(runId),
    publish: (events) => published.push(...events),
  })
const EXPIRED = sql<Date>`now() - interval '1 second'`

describe('claiming', () => {
  test('gives every pending run to exactly one of many claimers', async () => {
    const ids = new Set<string>()
    for (let n = 0; n < 200; n += 1) ids.add(await insertRunRow(database.db))
    const replicas = await Promise.all(Array.from({ length: 20 }, () => insertReplica(database.db)))
    const claimed: string[] = []

    await Promise.all(
      replicas.map(async (replica) => {
        for (let found = await claim(replica); found; found = await claim(replica)) claimed.push(found.row.id)
      }),
    )

    expect(claimed).toHaveLength(ids.size)
    expect(new Set(claimed)).toEqual(ids)
  })

  test('raises the attempt and starts the owner’s batches anew', async () => {
    await insertRunRow(database.db, { attempt: 4, last_batch: 17 })
    const found = await claim(await insertReplica(database.db))

    expect(found?.row).toMatchObject({ status: 'starting', attempt: 5, turn_attempt: 1, last_batch: 0 })
    expect(found?.events.map((one) => [one.seq, one.attempt])).toEqual([[1, 5]])
  })
})

describe('a lease', () => {
  test('is renewed by its owner and tells of a stop that was asked for', async () => {
    const replicaId = await insertReplica(database.db)
    const mine = await insertRunRow(database.db, { status: 'running', attempt: 1, lease_owner: replicaId })
    const other = await insertRunRow(database.db, { status: 'running', attempt: 1 })
    await database.db.updateTable('runs').set({ stop_requested_at: EXPIRED }).where('id', '=', mine).execute()

    const renewed = await renewLeases(database.db, { replicaId, ttlMs: 60_000, ids: [mine, other] })

    expect(renewed).toEqual([{ id: mine, attempt: 1, stopRequested: true, interruptRequested: false }])
  })

  test('that ran out gives the run back with a fresh sandbox generation, and its input is told again', async () => {
    const id = await insertRunRow(database.db, {
      status: 'running',
      attempt: 1,
      turn_attempt: 1,
      lease_expires_at: EXPIRED,
      sandbox_id: 'box',
    })
    const input = uuid()
    await database.db
      .insertInto('run_inputs')
      .values({
        id: input,
        run_id: id,
        turn: 1,
        source: 'prompt',
        delivery: 'queue',
        status: 'delivered',
        content: 'x',
      })
      .execute()
    const published: StoredEvent[] = []

    expect(await reap(published)).toBe(true)

    expect(await findRun(database.db, id)).toMatchObject({
      status: 'pending',
      sandboxGeneration: 2,
      sandboxId: null,
    })
    expect(published.map((one) => JSON.parse(one.payloadText).status)).toEqual([
      { old_status: 'running', new_status: 'pending', reason: 'lease_lost' },
    ])
    const row = await database.db
      .selectFrom('run_inputs')
      .select('status')
      .where('id', '=', input)
      .executeTakeFirst()
    expect(row?.status).toBe('queued')
  })

  test.each([
    [
      'whose stop was asked for is cancelled',
      { stop_requested_at: new Date() },
      { status: 'cancelled', failure: null },
    ],
    [
      'in place is never run again',
      { mode: 'in_place' as const },
      { status: 'failed', failure: { code: 'lease_lost' } },
    ],
    [
      'lost too often is given up',
      { turn_attempt: MAX_TURN_ATTEMPTS },
      { status: 'failed', failure: { code: 'attempts_exhausted' } },
    ],
  ])('of a run %s', async (_, columns, expected) => {
    const id = await insertRunRow(database.db, {
      status: 'running',
      attempt: 3,
      lease_expires_at: EXPIRED,
      ...columns,
    })

    await reap()

    expect(await findRun(database.db, id)).toMatchObject(expected)
  })

  const worked = { attempt: 1, turn: 2, lease_expires_at: EXPIRED, sandbox_id: 'box', session_id: 's' }
  const kept = { status: 'pending', sandboxGeneration: 1, sandboxId: 'box', sessionId: 's' }

  test('of a run that never got to run keeps what earlier turns left, whoever had it', async () => {
    const id = await insertRunRow(database.db, { status: 'starting', ...worked })
    await reap()
    expect(await findRun(database.db, id)).toMatchObject(kept)
  })

  test('of our own is ours to hand back while we drive it, and goes on in its sandbox when we do not', async () => {
    const replicaId = await insertReplica(database.db)
    const id = await insertRunRow(database.db, { status: 'running', ...worked, lease_owner: replicaId })
    await reap([], { replicaId, driven: [id] })
    expect(await findRun(database.db, id)).toMatchObject({ status: 'running' })
    await reap([], { replicaId, driven: [] })
    expect(await findRun(database.db, id)).toMatchObject(kept)
  })

  test('of somebody who may still have an agent there leaves the sandbox to it', async () => {
    const id = await insertRunRow(database.db, { status: 'running', ...worked })
    await reap()
    expect(await findRun(database.db, id)).toMatchObject({
      sandboxGeneration: 2,
      sandboxId: null,
      sessionId: null,
    })
  })

  test('starts to count anew when its agent came further, until it was lost ten times', async () => {
    const owner = await insertReplica(database.db)
    await retireReplica(database.db, owner)
    const lostOften = async (times: number) => {
      const id = await insertRunRow(database.db, {
        status: 'running',
        ...worked,
        turn_attempt: MAX_TURN_ATTEMPTS,
        lease_owner: owner,
      })
      const events = [
        ...Array.from({ length: times }, () => statusEvent('running', 'pending', 'lease_lost')),
        { payload: { message: { role: 'assistant' as const, content: 'further' } } },
      ].map((one) => toStorable(one, redactor))
      await append(database.db, { runId: id, from: ['running'], fence: null, patch: {}, events })
      await reap()
      return findRun(database.db, id)
    }

    expect(await lostOften(8)).toMatchObject(kept)
    expect(await lostOften(9)).toMatchObject({ status: 'failed', failure: { code: 'attempts_exhausted' } })
  })

  test('of one that stopped goes on in its sandbox: it took its agents with it', async () => {
    const owner = await insertReplica(database.db)
    await retireReplica(database.db, owner)
    const id = await insertRunRow(database.db, { status: 'running', ...worked, lease_owner: owner })
    await reap()
    expect(await findRun(database.db, id)).toMatchObject(kept)
  })

  test('of one that hangs on this machine ends its agent first, and touches no other', async () => {
    const owner = await identifyReplica(process.pid)
    await registerReplica(database.db, owner)
    const id = await insertRunRow(database.db, { status: 'running', ...worked, lease_owner: owner.id })
    const [agent, ...others] = [
      `i:${id}:1:${owner.id}`,
      `i:${id}:2:${owner.id}`,
      `i:${id}:1:${uuid()}`,
      `i:${uuid()}:1:${owner.id}`,
    ].map((mark) =>
      spawn('sleep', ['300'], {
        env: { PATH: '/usr/bin:/bin', AGENT_MANAGER_RUN: mark },
        stdio: 'ignore',
        detached: true,
      }),
    )
    await Promise.all([agent!, ...others].map((child) => once(child, 'spawn')))
    const gone = once(agent!, 'exit')

    await reap()

    expect(await gone).toEqual([null, 'SIGKILL'])
    expect(others.map((child) => child.exitCode ?? child.signalCode)).toEqual([null, null, null])
    expect(await findRun(database.db, id)).toMatchObject(kept)
    for (const child of others) child.kill('SIGKILL')
  })

  test('that was renewed meanwhile is left alone', async () => {
    const id = await insertRunRow(database.db, { status: 'running', attempt: 1 })

    await reap()

    expect(await findRun(database.db, id)).toMatchObject({ status: 'running', attempt: 1 })
  })
})

describe('a replica', () => {
  test('is proven dead by its pid, start time or boot, and only then its leases end', async () => {
    const self = await identifyReplica(process.pid)
    await registerReplica(database.db, self)
    const like = (more: object) => ({
      id: uuid(),
      host: self.host,
      boot_id: self.bootId,
      pid: self.pid,
      pid_started: self.pidStarted,
      ...more,
    })
    const living = like({})
    const dead = [
      like({ pid: 2 ** 22 + 1 }),
      like({ pid_started: '1' }),
      like({ boot_id: 'an earlier boot' }),
    ]
    const elsewhere = like({ host: 'another machine', boot_id: 'another boot' })
    await database.db
      .insertInto('replicas')
      .values([living, ...dead, elsewhere])
      .execute()
    const runs = new Map<string, string>()
    for (const { id } of [living, ...dead, elsewhere]) {
      runs.set(id, await insertRunRow(database.db, { status: 'running', attempt: 1, lease_owner: id }))
    }

    const ended: string[] = []
    const endAgents = async (ids: readonly string[]) => {
      const rows = await database.db
        .selectFrom('replicas')
        .select('stopped_at')
        .where('id', 'in', [...ids])
        .execute()
      expect(rows.map((row) => row.stopped_at)).toEqual(rows.map(() => null))
      ended.push(...ids)
    }

    const found = await expireDeadReplicas(database.db, self, endAgents)

    expect([...found].sort()).toEqual(dead.map(({ id }) => id).sort())
    expect(ended).toEqual(found)
    const expired = await database.db
      .selectFrom('runs')
      .select('lease_owner')
      .where('lease_expires_at', '<', sql<Date>`now()`)
      .execute()
    expect(new Set(expired.map((row) => row.lease_owner))).toEqual(new Set(dead.map(({ id }) => id)))
  })
})
