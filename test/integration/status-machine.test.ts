import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isDriven, isFinal, RUN_STATUSES, RUN_TRANSITIONS, type RunStatus } from '../../internal/run/run.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertReplica, insertRunRow } from '../support/rows.ts'

let database: TestDatabase
let replica: string
beforeAll(async () => {
  database = await createTestDatabase()
  replica = await insertReplica(database.db)
})
afterAll(() => database.close())

/** Everything the target status demands, so that only the transition itself can be refused. */
const demands = (to: RunStatus) => ({
  status: to,
  lease_owner: isDriven(to) ? replica : null,
  lease_expires_at: isDriven(to) ? sql<Date>`now()` : null,
  ended_at: isFinal(to) ? sql<Date>`now()` : null,
  failure: to === 'failed' ? '{}' : null,
})

const pairs = RUN_STATUSES.flatMap((from) =>
  RUN_STATUSES.filter((to) => to !== from).map((to) => ({ from, to })),
)

describe('the database and the transition table agree', () => {
  test.each(pairs)('$from -> $to', async ({ from, to }) => {
    const id = await insertRunRow(database.db, { status: from })
    const update = database.db.updateTable('runs').set(demands(to)).where('id', '=', id).execute()

    const allowed: readonly RunStatus[] = RUN_TRANSITIONS[from]
    if (allowed.includes(to)) await expect(update).resolves.toBeDefined()
    else await expect(update).rejects.toThrow(`cannot go from ${from} to ${to}`)
  })
})

describe('a run row cannot contradict itself', () => {
  test.each([
    [
      'a pending run with a lease',
      { status: 'pending' as const, lease_owner: 'replica' },
      'runs_lease_iff_driven',
    ],
    [
      'a finished run without an end',
      { status: 'complete' as const, ended_at: null },
      'runs_ended_iff_final',
    ],
    [
      'a failed run without a failure',
      { status: 'failed' as const, failure: null },
      'runs_failure_iff_failed',
    ],
    ['half a diff', { status: 'pending' as const, diff_digest: 'x' }, 'runs_diff_whole'],
  ])('%s', async (_, columns, constraint) => {
    const given = 'lease_owner' in columns ? { ...columns, lease_owner: replica } : columns

    await expect(insertRunRow(database.db, given)).rejects.toThrow(constraint)
  })
})
