/** Brings the schema to this build's version, once, whoever starts first; refuses what it does not know. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Kysely, sql } from 'kysely'
import { type Migration, type MigrationProvider, Migrator } from 'kysely/migration'
import { messageOf } from '../errors.ts'
import { invariant } from '../invariant.ts'
import { SCHEMA } from './pool.ts'
import type { Tables } from './tables.ts'

const OLDEST_SERVER = 150_000
const MIGRATION_TABLE = 'schema_migrations'

/** `foreign` and `newer` mean: another schema than this build's (exit 78); `old_server`: Postgres < 15. */
export class SchemaError extends Error {
  readonly reason: 'foreign' | 'newer' | 'old_server' | 'unsafe'
  constructor(reason: SchemaError['reason'], message: string) {
    super(message)
    this.name = 'SchemaError'
    this.reason = reason
  }
}

/**
 * Runs as the owner role. Safe to call from several replicas at once (Kysely's migrator takes an advisory
 * lock); a failed file leaves nothing of itself.
 * @param folder absolute path of migrations/
 * @throws SchemaError, or the database's error
 */
export async function migrate(db: Kysely<Tables>, folder: string): Promise<void> {
  await checkServer(db)
  await checkSchema(db, await migrationNames(folder))
  const migrator = new Migrator({
    db,
    provider: sqlFiles(folder),
    migrationTableSchema: SCHEMA,
    migrationTableName: MIGRATION_TABLE,
    migrationLockTableName: `${MIGRATION_TABLE}_lock`,
  })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw error instanceof Error ? error : new Error(messageOf(error))
}

/**
 * Lets `role` work and not rewrite history. Nothing to do where the owner itself is the runtime role: then
 * the triggers alone guard the log.
 */
export async function grantRuntime(db: Kysely<Tables>, role: string): Promise<void> {
  const owner = await currentRole(db)
  if (owner === role) return
  const name = sql.id(role)
  await db.transaction().execute(async (tx) => {
    await sql`GRANT USAGE ON SCHEMA agent_manager TO ${name}`.execute(tx)
    await sql`REVOKE ALL ON ALL TABLES IN SCHEMA agent_manager FROM ${name}`.execute(tx)
    await sql`GRANT SELECT ON ALL TABLES IN SCHEMA agent_manager TO ${name}`.execute(tx)
    for (const table of [
      'profiles',
      'tasks',
      'replicas',
      'runs',
      'interactions',
      'run_sandboxes',
      'run_inputs',
      'approvals',
    ]) {
      await sql`GRANT INSERT, UPDATE ON ${sql.table(`agent_manager.${table}`)} TO ${name}`.execute(tx)
    }
    for (const table of ['profile_versions', 'run_events', 'run_diffs', 'run_snapshots']) {
      await sql`GRANT INSERT ON ${sql.table(`agent_manager.${table}`)} TO ${name}`.execute(tx)
    }
    // Answers are kept for a day, for callers that ask again; they are no history.
    await sql`GRANT INSERT, UPDATE, DELETE ON agent_manager.idempotency_records TO ${name}`.execute(tx)
  })
}

export async function currentRole(db: Kysely<Tables>): Promise<string> {
  const { rows } = await sql<{ role: string }>`SELECT current_user AS role`.execute(db)
  invariant(rows[0], 'SELECT current_user returns a row')
  return rows[0].role
}

/** Whether the role could rewrite the log if no trigger stood in its way: as its owner, a member of it, or superuser. */
export async function mayChangeLog(db: Kysely<Tables>): Promise<boolean> {
  const { rows } = await sql<{ may: boolean }>`
    SELECT has_table_privilege(${`${SCHEMA}.run_events`}, 'UPDATE, DELETE, TRUNCATE')
           OR pg_has_role(relowner, 'MEMBER') AS may
    FROM pg_class WHERE oid = to_regclass(${`${SCHEMA}.run_events`})`.execute(db)
  invariant(rows[0], 'a migrated database has a log')
  return rows[0].may
}

/** When this database was first migrated, to the millisecond: no other one of ours has the same. */
export async function databaseIdentity(db: Kysely<Tables>): Promise<string> {
  const { rows } = await sql<{ first: string }>`
    SELECT timestamp AS first FROM ${sql.table(`${SCHEMA}.${MIGRATION_TABLE}`)} ORDER BY name LIMIT 1`.execute(
    db,
  )
  invariant(rows[0], 'a migrated database knows when')
  return rows[0].first
}

async function checkServer(db: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ version: string; commit: string; name: string }>`
    SELECT current_setting('server_version_num') AS version, current_setting('server_version') AS name,
           current_setting('synchronous_commit') AS commit`.execute(db)
  const server = rows[0]
  invariant(server, 'the server tells its version')
  if (Number(server.version) < OLDEST_SERVER) {
    throw new SchemaError(
      'old_server',
      `DATABASE_URL leads to Postgres ${server.name}; 15 or newer is needed.`,
    )
  }
  if (server.commit === 'off') {
    throw new SchemaError(
      'unsafe',
      'The database runs with synchronous_commit = off, so what it acknowledges may be lost; set it to on for this role or database.',
    )
  }
}

/** A schema of our name that we did not make is left alone; one of a newer build is not touched either. */
async function checkSchema(db: Kysely<Tables>, known: readonly string[]): Promise<void> {
  const { rows } = await sql<{ schema: boolean; ours: boolean }>`
    SELECT to_regnamespace(${SCHEMA}) IS NOT NULL AS schema,
           to_regclass(${`${SCHEMA}.${MIGRATION_TABLE}`}) IS NOT NULL AS ours`.execute(db)
  if (!rows[0]?.schema) return
  if (!rows[0].ours) {
    const { rows: objects } = await sql<{ n: number }>`
      SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = to_regnamespace(${SCHEMA})`.execute(db)
    if (objects[0]?.n === 0) return // made for us beforehand by an administrator
    throw new SchemaError(
      'foreign',
      `The database has a schema "${SCHEMA}" that this service did not make; use another database or rename it.`,
    )
  }
  const { rows: applied } = await sql<{ name: string }>`
    SELECT name FROM ${sql.table(`${SCHEMA}.${MIGRATION_TABLE}`)} ORDER BY name`.execute(db)
  const unknown = applied.filter(({ name }) => !known.includes(name)).map(({ name }) => name)
  if (unknown.length > 0) {
    throw new SchemaError(
      'newer',
      `The database was migrated by a newer build (${unknown.join(', ')}); start that build.`,
    )
  }
}

async function migrationNames(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort()
  invariant(names.length > 0, `migrations lie in ${folder}`)
  return names.map((name) => name.slice(0, -'.sql'.length))
}

const sqlFiles = (folder: string): MigrationProvider => ({
  async getMigrations() {
    const migrations: Record<string, Migration> = {}
    for (const name of await migrationNames(folder)) {
      const text = await readFile(join(folder, `${name}.sql`), 'utf8')
      migrations[name] = { up: async (db) => void (await sql.raw(text).execute(db)) }
    }
    return migrations
  },
})
