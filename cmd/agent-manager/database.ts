/** The database of this start: the operator's or our own, migrated, opened with the least authority. */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type Kysely, sql } from 'kysely'
import { startEmbeddedPostgres } from '../../adapters/embedded-postgres/embedded-postgres.ts'
import { EmbeddedPostgresError } from '../../adapters/embedded-postgres/failure.ts'
import type { Config } from '../../internal/config.ts'
import {
  currentRole,
  databaseIdentity,
  grantRuntime,
  mayChangeLog,
  migrate,
} from '../../internal/db/migrate.ts'
import { type Connection, type Database, openDatabase } from '../../internal/db/pool.ts'
import type { Tables } from '../../internal/db/tables.ts'
import type { Logger } from '../../internal/log.ts'
import { asStartError } from './database-error.ts'
import { EXIT, StartError } from './exit.ts'

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url))
/** The embedded cluster's role for everyday work: it cannot change or delete what the log holds. */
const RUNTIME_ROLE = 'agent_manager_service'

export interface StartedDatabase {
  readonly kind: 'embedded' | 'external'
  readonly database: Database
  /** As whom and where we work, for health's own look. */
  readonly connection: Connection
  /** Tells this database from others: sandboxes bear it in their owner, so that one never sweeps another's. */
  readonly identity: string
  /** Whether the role we work with has the right to change the log, so that triggers alone guard it. */
  readonly guardedByTriggersOnly: boolean
  stop(): Promise<void>
}

/** @throws StartError 69 (not there), 78 (another schema than ours) */
export async function startDatabase(config: Config, log: Logger, path: string): Promise<StartedDatabase> {
  return config.database === null
    ? startEmbedded(config, log, path)
    : openExternal(config.database, config.migration ?? config.database, config, log)
}

async function startEmbedded(config: Config, log: Logger, path: string): Promise<StartedDatabase> {
  const postgres = await startEmbeddedPostgres({
    dataDir: config.dataDir,
    log,
    environment: { PATH: path },
  }).catch((error: unknown) => {
    throw error instanceof EmbeddedPostgresError ? new StartError(EXIT.unavailable, error.message) : error
  })
  const password = randomBytes(24).toString('base64url')
  const owner: Connection = { kind: 'parts', ...postgres.connection }
  try {
    const prepare = async (db: Kysely<Tables>) => {
      await migrate(db, MIGRATIONS)
      await ensureRole(db, password)
      await grantRuntime(db, RUNTIME_ROLE)
    }
    await asOwner(owner, log, prepare)
    const connection: Connection = { ...owner, user: RUNTIME_ROLE, password }
    const database = openDatabase({
      connection,
      max: config.levers.STORAGE_MAX_OPEN_CONNS,
      log,
    })
    return {
      kind: 'embedded',
      database,
      connection,
      identity: await databaseIdentity(database.db),
      guardedByTriggersOnly: false,
      stop: async () => {
        await database.close()
        await postgres.stop()
      },
    }
  } catch (error) {
    await postgres.stop()
    throw asStartError(error)
  }
}

async function openExternal(
  connection: Connection,
  owner: Connection,
  config: Config,
  log: Logger,
): Promise<StartedDatabase> {
  const database = openDatabase({ connection, max: config.levers.STORAGE_MAX_OPEN_CONNS, log })
  try {
    const role = await currentRole(database.db)
    await asOwner(owner, log, async (db) => {
      await migrate(db, MIGRATIONS)
      await grantRuntime(db, role)
    })
    return {
      kind: 'external',
      database,
      connection,
      identity: await databaseIdentity(database.db),
      guardedByTriggersOnly: await mayChangeLog(database.db),
      stop: () => database.close(),
    }
  } catch (error) {
    await database.close()
    throw asStartError(error)
  }
}

/** Migrations may take long: no statement timeout, but their files bound every lock. */
async function asOwner(
  connection: Connection,
  log: Logger,
  work: (db: Kysely<Tables>) => Promise<void>,
): Promise<void> {
  const database = openDatabase({ connection, max: 2, log, statementTimeoutMs: 0 })
  try {
    await work(database.db)
  } finally {
    await database.close()
  }
}

/** A new password at each start: it is stored nowhere. */
async function ensureRole(db: Kysely<Tables>, password: string): Promise<void> {
  const { rows } = await sql`SELECT 1 FROM pg_roles WHERE rolname = ${RUNTIME_ROLE}`.execute(db)
  const verb = rows.length === 0 ? sql`CREATE` : sql`ALTER`
  await sql`${verb} ROLE ${sql.id(RUNTIME_ROLE)} LOGIN PASSWORD ${sql.lit(password)}`.execute(db)
}
