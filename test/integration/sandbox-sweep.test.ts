/** The sweep of left sandboxes, on the real stand-in and a real database. */
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { recordSandbox } from '../../internal/engine/run-work-store.ts'
import { SandboxSweep, sweepSandboxes } from '../../internal/engine/sandbox-sweep.ts'
import { AppError } from '../../internal/errors.ts'
import { createLogger } from '../../internal/log.ts'
import type { OwnedSandbox, SandboxService } from '../../internal/sandbox/port.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'
import { makeProject } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

const log = createLogger('silent')
const MINUTE = 60_000
let database: TestDatabase
let server: SandboxServer
let projectRoot: string

beforeAll(async () => {
  database = await createTestDatabase()
  server = await startSandboxServer({})
  projectRoot = await makeProject()
})
afterAll(async () => {
  await server.stop()
  await database.close()
})

const clientOf = (owner: string): SandboxService =>
  createSandboxClient({ baseUrl: () => server.url, token: () => server.token, owner, trusted: true })

/** The service's list with the ages that the test needs; everything else is real. */
const aged = (client: SandboxService, byMs: ReadonlyMap<string, number>) => ({
  delete: client.delete,
  listOwned: async (): Promise<OwnedSandbox[]> =>
    (await client.listOwned()).map((each) => ({
      ...each,
      createdAt: new Date(each.createdAt.getTime() - (byMs.get(each.id) ?? 0)),
    })),
})

describe('the sweep', () => {
  it('removes what nobody needs any more and nothing else', async () => {
    const { db } = database
    const client = clientOf('agent-manager:sweep')
    const ages = new Map<string, number>()
    const make = async (key: string, ageMs = 0, owner = client) => {
      const { id } = await owner.create({ key, owner: 'run', projectRoot })
      ages.set(id, ageMs)
      return id
    }
    const run = (status: 'complete' | 'failed' | 'needs_review' | 'running' | 'pending', generation = 1) =>
      insertRunRow(db, {
        status,
        sandbox_generation: generation,
        ...(status === 'needs_review' && { approval_state: 'pending' }),
      })
    const keyOf = (runId: string, generation: number) => `run:${runId}:sandbox:${generation}`
    const review = await run('needs_review', 2)
    const running = await run('running')
    const pending = await run('pending')
    const taken = await run('pending', 3)
    const left = {
      ofFinished: await make(keyOf(await run('complete'), 1)),
      ofFailedByLaterKey: await make(`${keyOf(await run('failed'), 1)}~2`),
      ofOldGeneration: await make(keyOf(review, 1)),
      ofUnknownRun: await make(keyOf(uuid(), 1), 16 * MINUTE),
    }
    const kept = {
      inReview: await make(keyOf(review, 2), 999 * MINUTE),
      running: await make(`${keyOf(running, 1)}~3`, 999 * MINUTE),
      notWrittenDown: await make(keyOf(pending, 1), 999 * MINUTE),
      ofUnknownRunButYoung: await make(keyOf(uuid(), 1), 14 * MINUTE),
      ofLaterGeneration: await make(keyOf(running, 2), 999 * MINUTE),
      oddKey: await make('made-by-hand', 999 * MINUTE),
      others: await make(keyOf(uuid(), 1), 999 * MINUTE, clientOf('agent-manager:other')),
      recordedAsPresent: await make(keyOf(taken, 1), 999 * MINUTE),
    }
    await recordSandbox(db, taken, 3, kept.recordedAsPresent)

    await sweepSandboxes({ db, log, sandbox: aged(client, ages) })

    for (const [what, id] of Object.entries(left))
      expect([what, await client.state(id)]).toEqual([what, 'gone'])
    for (const [what, id] of Object.entries(kept)) {
      expect([what, await client.state(id)]).toEqual([what, 'active'])
    }
    await sweepSandboxes({ db, log, sandbox: aged(client, ages) })
  })

  it('goes on after a sandbox that cannot be deleted, and stops when the service is away', async () => {
    const client = clientOf('agent-manager:stubborn')
    const finished = await insertRunRow(database.db, { status: 'complete' })
    const ids: string[] = []
    for (const generation of [1, 2, 3]) {
      const key = `run:${finished}:sandbox:${generation}`
      ids.push((await client.create({ key, owner: 'run', projectRoot })).id)
    }
    const asked: string[] = []
    const failing = (code: 'SANDBOX_OPERATION' | 'SANDBOX_UNAVAILABLE') => ({
      listOwned: client.listOwned,
      delete: (id: string) => {
        asked.push(id)
        return Promise.reject(new AppError(code, 'no'))
      },
    })

    await sweepSandboxes({ db: database.db, log, sandbox: failing('SANDBOX_OPERATION') })
    expect(asked.toSorted()).toEqual(ids.toSorted())
    asked.length = 0
    await sweepSandboxes({ db: database.db, log, sandbox: failing('SANDBOX_UNAVAILABLE') })
    expect(asked).toHaveLength(1)
  })

  it('skips a round in which the service cannot list, sweeps at its start and may be started and stopped twice', async () => {
    const client = clientOf('agent-manager:rounds')
    const finished = await insertRunRow(database.db, { status: 'complete' })
    const { id } = await client.create({ key: `run:${finished}:sandbox:1`, owner: 'run', projectRoot })
    const warn = vi.spyOn(log, 'warn')
    const broken = new SandboxSweep({
      db: database.db,
      log,
      sandbox: { ...client, listOwned: () => Promise.reject(new AppError('SANDBOX_OPERATION', '500')) },
    })
    broken.start()
    await expect.poll(() => warn.mock.calls.length).toBeGreaterThan(0)
    await broken.stop()
    expect(await client.state(id)).toBe('active')

    const sweep = new SandboxSweep({ db: database.db, log, sandbox: client })
    sweep.start()
    sweep.start()
    await expect.poll(() => client.state(id), { timeout: 10_000 }).toBe('gone')
    await sweep.stop()
    await sweep.stop()
  })
})
