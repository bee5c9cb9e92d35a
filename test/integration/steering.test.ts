import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RunWriter } from '../../internal/engine/run-writer.ts'
import { Steering } from '../../internal/engine/steering.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { createLogger } from '../../internal/log.ts'
import { changeQueued, insertInput, listInputs } from '../../internal/run/input-store.ts'
import type { Steer } from '../../internal/runner/port.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { insertRunRow } from '../support/rows.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.close())

async function steered(...contents: readonly string[]) {
  const { db } = database
  const runId = await insertRunRow(db, { status: 'running', attempt: 1 })
  for (const content of contents)
    await insertInput(db, {
      id: uuid(),
      runId,
      turn: 1,
      source: 'continue',
      delivery: 'steer',
      content,
      actor: null,
    })
  const log = createLogger('fatal')
  const writer = new RunWriter({
    db,
    redactor: createRedactor(),
    log,
    runId,
    attempt: 1,
    publish: () => {},
    isTrusted: () => true,
    lost: () => {},
  })
  const statuses = async () =>
    (await listInputs(db, runId, { size: 10, after: null, offset: 0 })).items.map(({ status }) => status)
  return { steering: new Steering({ db, log, writer, runId, turn: 1 }), statuses }
}

test('inputs are handed over in order, each written down first so that nobody can take it back', async () => {
  const { steering, statuses } = await steered('one', 'two')
  const heard: [string, boolean][] = []
  steering.attach(async ({ id, text }: Steer) => {
    heard.push([text, await changeQueued(database.db, id, { status: 'cancelled' })])
  })
  await steering.deliver()
  expect(heard).toEqual([
    ['one', false],
    ['two', false],
  ])
  expect(await statuses()).toEqual(['delivered', 'delivered'])
})

test('what the agent did not take waits again', async () => {
  const { steering, statuses } = await steered('one')
  steering.attach(() => Promise.reject(new Error('the turn is over')))
  await steering.deliver()
  steering.close()
  expect(await statuses()).toEqual(['queued'])
})
