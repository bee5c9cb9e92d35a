/** A database for one bench run: the embedded one in a temporary folder, or TEST_DATABASE_URL. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import { startEmbeddedPostgres } from '../../adapters/embedded-postgres/embedded-postgres.ts'
import { migrate } from '../../internal/db/migrate.ts'
import { type Connection, type Database, openDatabase } from '../../internal/db/pool.ts'
import type { Tables } from '../../internal/db/tables.ts'
import { createLogger } from '../../internal/log.ts'
import { resolveConfig } from '../../internal/run/resolve-config.ts'

export async function openBenchDatabase(): Promise<Database> {
  const log = createLogger('error')
  const url = process.env['TEST_DATABASE_URL']
  if (url) return prepare({ kind: 'url', url }, () => Promise.resolve())
  const dataDir = await mkdtemp(join(tmpdir(), 'agent-manager-bench-'))
  const postgres = await startEmbeddedPostgres({ dataDir, log })
  return prepare({ kind: 'parts', ...postgres.connection }, async () => {
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
}

async function prepare(connection: Connection, stop: () => Promise<void>): Promise<Database> {
  const { db, load, close } = openDatabase({
    connection,
    max: 5,
    log: createLogger('error'),
    statementTimeoutMs: 0,
  })
  await migrate(db, fileURLToPath(new URL('../../migrations', import.meta.url)))
  await sql`DROP TABLE IF EXISTS agent_manager.bench_events`.execute(db)
  await sql`CREATE TABLE agent_manager.bench_events (LIKE agent_manager.run_events INCLUDING ALL)`.execute(db)
  return {
    db,
    load,
    close: async () => {
      await sql`DROP TABLE agent_manager.bench_events`.execute(db)
      await close()
      await stop()
    },
  }
}

/** A run in the hands of this process. */
export async function newDrivenRun(db: Kysely<Tables>): Promise<string> {
  const [id, taskId, replicaId] = [uuid(), uuid(), uuid()]
  const levers = { maxTurns: 1, timeoutMs: 60_000, requiresSandbox: true, requiresApproval: true }
  const facts = { mode: null, hasProviderAccess: () => true }
  const { config, sources } = resolveConfig({ runnerType: 'opencode' }, {}, levers, facts)
  const replica = { id: replicaId, host: 'bench', boot_id: 'bench', pid: process.pid, pid_started: '0' }
  const task = {
    id: taskId,
    title: 'bench',
    description: '',
    scope_path: '',
    project_root: '/bench',
    context_attachments: '[]',
  }
  await db.insertInto('replicas').values(replica).execute()
  await db
    .insertInto('tasks')
    .values({ ...task, created_by: null })
    .execute()
  await db
    .insertInto('runs')
    .values({
      id,
      task_id: taskId,
      tag: id,
      mode: 'sandboxed',
      status: 'running',
      phase: 'executing',
      attempt: 1,
      lease_owner: replicaId,
      lease_expires_at: sql<Date>`now() + interval '1 hour'`,
      config: JSON.stringify(config),
      config_sources: JSON.stringify(sources),
      request_digest: 'bench',
    })
    .execute()
  return id
}
