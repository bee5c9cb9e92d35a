import { afterAll, beforeAll, expect, test } from 'vitest'
import { probeDatabase } from '../../internal/db/probe.ts'
import { countRuns } from '../../internal/run/status-counts.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase(2)
})
afterAll(() => database.close())

test('runs are counted by status, those that nobody is in too', async () => {
  const { db } = database
  const statuses = ['pending', 'pending', 'starting', 'running', 'running', 'failed', 'complete'] as const
  for (const status of statuses) await insertRunRow(db, { status })

  expect(Object.fromEntries(await countRuns(db))).toEqual({
    pending: 2,
    starting: 1,
    running: 2,
    needs_review: 0,
    complete: 1,
    failed: 1,
    cancelled: 0,
  })
  expect(await probeDatabase(database.connection, 5000)).toMatchObject({ activeRuns: 3, pendingRuns: 2 })
})
