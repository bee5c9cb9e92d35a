/** A database of its own for a test file: cloned from the migrated template, used as the runtime role. */
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { inject } from 'vitest'
import { type Connection, type Database, openDatabase } from '../../internal/db/pool.ts'
import { createLogger } from '../../internal/log.ts'
import { RUNTIME_PASSWORD, RUNTIME_ROLE, TEMPLATE } from './postgres-server.ts'

export interface TestDatabase extends Database {
  readonly connection: Connection & { kind: 'parts' }
  /** The owner's connection to the same database. */
  readonly owner: Connection & { kind: 'parts' }
}

export async function createTestDatabase(max = 10): Promise<TestDatabase> {
  const admin = inject('postgres')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await asAdmin(sql`CREATE DATABASE ${sql.id(name)} TEMPLATE ${sql.id(TEMPLATE)}`)
  const owner = { ...admin, database: name }
  const connection = { ...owner, user: RUNTIME_ROLE, password: RUNTIME_PASSWORD }
  const database = openDatabase({ connection, max, log: createLogger('warn') })
  return {
    db: database.db,
    load: database.load,
    connection,
    owner,
    close: async () => {
      await database.close()
      await asAdmin(sql`DROP DATABASE IF EXISTS ${sql.id(name)} WITH (FORCE)`)
    },
  }
}

async function asAdmin(statement: ReturnType<typeof sql>): Promise<void> {
  const admin = openDatabase({ connection: inject('postgres'), max: 1, log: createLogger('warn') })
  try {
    await statement.execute(admin.db)
  } finally {
    await admin.close()
  }
}
