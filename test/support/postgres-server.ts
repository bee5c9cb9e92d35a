/**
 * One real Postgres for a whole test run: TEST_DATABASE_URL, else Docker, else the embedded binaries. The
 * migrated template is made once; every test file clones it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../adapters/embedded-postgres/embedded-postgres.ts'
import { grantRuntime, migrate } from '../../internal/db/migrate.ts'
import { type Connection, openDatabase } from '../../internal/db/pool.ts'
import { createLogger } from '../../internal/log.ts'

export const TEMPLATE = 'agent_manager_template'
export const RUNTIME_ROLE = 'agent_manager_test'
export const RUNTIME_PASSWORD = 'runtime-password'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: Connection & { kind: 'parts' }
  }
}

type Server = { connection: Connection & { kind: 'parts' }; what: string; stop(): Promise<void> }

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer()
  process.stdout.write(`Postgres for the tests: ${server.what}\n`)
  try {
    await makeTemplate(server.connection)
  } catch (error) {
    await server.stop()
    throw error
  }
  project.provide('postgres', server.connection)
  return () => server.stop()
}

async function startServer(): Promise<Server> {
  const url = process.env['TEST_DATABASE_URL']
  if (url) return { connection: partsOf(url), what: 'TEST_DATABASE_URL', stop: () => Promise.resolve() }
  if (await hasDocker()) return startContainer()
  const dataDir = await mkdtemp(join(tmpdir(), 'agent-manager-test-'))
  const postgres = await startEmbeddedPostgres({ dataDir, log: createLogger('warn') })
  return {
    connection: { kind: 'parts', ...postgres.connection },
    what: 'embedded binaries (no TEST_DATABASE_URL, no Docker engine)',
    stop: async () => {
      await postgres.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

const hasDocker = (): Promise<boolean> =>
  getContainerRuntimeClient().then(
    () => true,
    () => false,
  )

async function startContainer(): Promise<Server> {
  const password = 'test-password'
  const container = await new GenericContainer('postgres:18')
    .withEnvironment({ POSTGRES_PASSWORD: password })
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .start()
  return {
    connection: {
      kind: 'parts',
      host: container.getHost(),
      port: container.getMappedPort(5432),
      user: 'postgres',
      password,
      database: 'postgres',
    },
    what: 'Docker container postgres:18',
    stop: async () => void (await container.stop()),
  }
}

function partsOf(text: string): Connection & { kind: 'parts' } {
  const url = new URL(text)
  return {
    kind: 'parts',
    host: url.hostname,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1) || 'postgres',
  }
}

async function makeTemplate(connection: Connection & { kind: 'parts' }): Promise<void> {
  const log = createLogger('warn')
  const admin = openDatabase({ connection, max: 1, log, statementTimeoutMs: 0 })
  const template = openDatabase({
    connection: { ...connection, database: TEMPLATE },
    max: 2,
    log,
    statementTimeoutMs: 0,
  })
  try {
    await sql`DROP DATABASE IF EXISTS ${sql.id(TEMPLATE)} WITH (FORCE)`.execute(admin.db)
    await sql`CREATE DATABASE ${sql.id(TEMPLATE)}`.execute(admin.db)
    await sql`DROP ROLE IF EXISTS ${sql.id(RUNTIME_ROLE)}`.execute(admin.db)
    await sql`CREATE ROLE ${sql.id(RUNTIME_ROLE)} LOGIN PASSWORD ${sql.lit(RUNTIME_PASSWORD)}`.execute(
      admin.db,
    )
    await migrate(template.db, fileURLToPath(new URL('../../migrations', import.meta.url)))
    await grantRuntime(template.db, RUNTIME_ROLE)
  } finally {
    await template.close()
    await admin.close()
  }
}
