/** Pages of lists: nothing twice, nothing left out, whatever is written in between; totals that stop counting. */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXACT_TOTAL } from '../../internal/db/pages.ts'
import { ProfileService } from '../../internal/profile/profile-service.ts'
import { listRuns } from '../../internal/run/run-store.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow, insertTaskRow } from '../support/rows.ts'

let database: TestDatabase
let profiles: ProfileService
beforeAll(async () => {
  database = await createTestDatabase()
  profiles = new ProfileService({ db: database.db })
})
afterAll(() => database.close())

const RUNS = { status: null, taskId: null, profileId: null, tagPrefix: null }
const create = (name: string, settings = {}) =>
  profiles.create({ profileKey: name, name, createdBy: null, settings })

describe('pages', () => {
  test('hold still while things are added, also within one microsecond', async () => {
    const all = await Promise.all(
      Array.from({ length: 25 }, (_, n) =>
        create(`p${n}`, { runnerType: n % 5 === 0 ? 'codex' : 'opencode' }),
      ),
    )
    await sql`UPDATE agent_manager.profiles SET created_at = '2026-01-01T00:00:00.123456Z'`.execute(
      database.db,
    )
    const filter = { runnerType: 'opencode', archived: 'no' } as const
    const seen: string[] = []
    let token: string | null = null
    do {
      const page = await profiles.list(filter, { size: 6, after: token, offset: 0 })
      expect(page.totalExact).toBe(true)
      seen.push(...page.items.map(({ id }) => id))
      token = page.next
      await create(`later ${seen.length}`, { runnerType: 'opencode' })
    } while (token !== null)

    const wanted = all.filter(({ settings }) => settings.runnerType === 'opencode').map(({ id }) => id)
    expect(seen).toHaveLength(wanted.length)
    expect(new Set(seen)).toEqual(new Set(wanted))
  })

  test('go on although the last row of the page before is gone', async () => {
    const ids = []
    for (let n = 0; n < 4; n += 1) ids.unshift(await insertRunRow(database.db))
    const first = await listRuns(database.db, RUNS, { size: 2, after: null, offset: 0 })
    await database.db
      .updateTable('runs')
      .set({ created_at: sql<Date>`now() + interval '1 day'` })
      .where('id', '=', ids[1] ?? '')
      .execute()

    const second = await listRuns(database.db, RUNS, { size: 2, after: first.next, offset: 0 })

    expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 2))
    expect(second.items.map(({ id }) => id)).toEqual(ids.slice(2))
    expect(second).toMatchObject({ next: null, total: 4, totalExact: true })
  })

  test('can be skipped into by an offset', async () => {
    const whole = await listRuns(database.db, RUNS, { size: 100, after: null, offset: 0 })

    const rest = await listRuns(database.db, RUNS, { size: 100, after: null, offset: 3 })

    expect(rest.items).toEqual(whole.items.slice(3))
  })

  test.each([
    'nonsense',
    '01930000-0000-7000-8000-000000000001',
    Buffer.from('2026-02-31T00:00:00.000000Z_01930000-0000-7000-8000-000000000001').toString('base64url'),
    Buffer.from("2026-02-01T00:00:00.000000Z_'; DROP TABLE runs").toString('base64url'),
  ])('refuse the foreign token %s', async (after) => {
    const refused = { code: 'VALIDATION_FIELD', faults: [expect.objectContaining({ field: 'page_token' })] }
    const page = { size: 1, after, offset: 0 }

    await expect(listRuns(database.db, RUNS, page)).rejects.toMatchObject(refused)
    const { id } = await create(`of ${after}`)
    await expect(profiles.versions(id, page)).rejects.toMatchObject(refused)
  })

  test('of versions end with the first one', async () => {
    const { id } = await create('versions')
    for (let n = 1; n < 5; n += 1)
      await profiles.update(id, { name: null, profileKey: null, settings: { maxTurns: n } }, null)

    const first = await profiles.versions(id, { size: 3, after: null, offset: 0 })
    const second = await profiles.versions(id, { size: 3, after: first.next, offset: 0 })

    expect(first.items.map(({ version }) => version)).toEqual([5, 4, 3])
    expect(second.items.map(({ version }) => version)).toEqual([2, 1])
    expect(second).toMatchObject({ total: 5, totalExact: true, next: null })
  })
})

describe('a total', () => {
  test('is exact up to the limit and an estimate above', async () => {
    const taskId = await insertTaskRow(database.db)
    const model = await insertRunRow(database.db, { task_id: taskId })
    const add = (count: number) =>
      sql`INSERT INTO agent_manager.runs (id, task_id, tag, mode, status, phase, config, config_sources, request_digest)
        SELECT gen_random_uuid(), task_id, tag, mode, status, phase, config, config_sources, request_digest
        FROM agent_manager.runs, generate_series(1, ${count}) WHERE id = ${model}`.execute(database.db)
    const total = async () => {
      const page = await listRuns(database.db, { ...RUNS, taskId }, { size: 1, after: null, offset: 0 })
      return [page.total, page.totalExact]
    }

    await add(EXACT_TOTAL - 1)
    const at = await total()
    await add(1)
    const above = await total()

    expect(at).toEqual([EXACT_TOTAL, true])
    expect(above[1]).toBe(false)
    expect(above[0]).toBeGreaterThan(EXACT_TOTAL)
  })
})
