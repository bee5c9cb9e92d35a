/** A database whose other end is gone without a word: connections stay up, nothing comes back. */
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mayChangeLog } from '../../internal/db/migrate.ts'
import { type Connection, openDatabase } from '../../internal/db/pool.ts'
import { probeDatabase } from '../../internal/db/probe.ts'
import { createLogger } from '../../internal/log.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const log = createLogger('silent')
let database: TestDatabase
let proxy: TcpProxy
let through: Connection
beforeAll(async () => {
  database = await createTestDatabase(2)
  proxy = await startTcpProxy(database.connection)
  through = { ...database.connection, host: '127.0.0.1', port: proxy.port }
})
afterAll(async () => {
  await proxy.stop()
  await database.close()
})

test('is told by the probe within its deadline, and so is its return', async () => {
  expect(await probeDatabase(through, 5000)).toEqual({ isReadOnly: false, activeRuns: 0, pendingRuns: 0 })

  proxy.setSilent(true)
  const startedAt = performance.now()
  await expect(probeDatabase(through, 300)).rejects.toThrow('no answer within 300 ms')
  expect(performance.now() - startedAt).toBeLessThan(1500)

  proxy.setSilent(false)
  expect(await probeDatabase(through, 5000)).toMatchObject({ isReadOnly: false })
})

test('a probe leaves no connection behind, answered or not', async () => {
  const left = async () => {
    const { rows } = await sql<{ n: number }>`
      SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = ${database.connection.database} AND application_name = 'agent-manager health'`.execute(
      database.db,
    )
    return rows[0]?.n
  }
  await Promise.all(Array.from({ length: 5 }, () => probeDatabase(database.connection, 5000)))

  await expect.poll(left, { timeout: 10_000 }).toBe(0)
})

test('a database that takes no writes says so', async () => {
  const readOnly = { ...database.owner, database: database.connection.database }
  await sql`ALTER ROLE ${sql.id(database.connection.user)} IN DATABASE ${sql.id(readOnly.database)}
            SET default_transaction_read_only = on`.execute((await asOwner()).db)
  try {
    expect(await probeDatabase(database.connection, 5000)).toMatchObject({ isReadOnly: true })
  } finally {
    await sql`ALTER ROLE ${sql.id(database.connection.user)} IN DATABASE ${sql.id(readOnly.database)}
              RESET default_transaction_read_only`.execute((await asOwner()).db)
    await (await asOwner()).close()
  }
})

let ownerDatabase: ReturnType<typeof openDatabase> | null = null
const asOwner = async () => (ownerDatabase ??= openDatabase({ connection: database.owner, max: 1, log }))

test('a pooled connection gone silent is given up, and the next statement gets a new one', async () => {
  const pool = openDatabase({ connection: through, max: 1, log, statementTimeoutMs: 50, answerMarginMs: 300 })
  try {
    await sql`SELECT 1`.execute(pool.db)
    proxy.setSilent(true)
    await expect(sql`SELECT 1`.execute(pool.db)).rejects.toThrow()
    proxy.setSilent(false)

    await expect
      .poll(
        () =>
          sql`SELECT 1`.execute(pool.db).then(
            () => 'answered',
            () => 'silent',
          ),
        {
          timeout: 5000,
        },
      )
      .toBe('answered')
  } finally {
    proxy.setSilent(false)
    await pool.close()
  }
})

test('who may rewrite the log is told by the rights of the role, not by its name', async () => {
  expect(await mayChangeLog(database.db)).toBe(false)
  const owner = openDatabase({ connection: database.owner, max: 1, log })
  try {
    expect(await mayChangeLog(owner.db)).toBe(true)
  } finally {
    await owner.close()
  }
})
