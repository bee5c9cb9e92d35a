/** How the service starts, refuses to start, and stops: exit codes and sentences. */
import { spawn } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { openDatabase } from '../../internal/db/pool.ts'
import { createLogger } from '../../internal/log.ts'
import { call, until } from '../support/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { GREETER, makeGitProject } from '../support/project.ts'
import { runServiceToEnd, startService } from '../support/service.ts'

let base: string
let database: TestDatabase
beforeAll(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'agent-manager-start-')))
  database = await createTestDatabase()
})
afterAll(async () => {
  await database.close()
  rmSync(base, { recursive: true, force: true })
})

const env = (more: Record<string, string> = {}) => ({
  PATH: process.env['PATH'] ?? '',
  HOME: base,
  PORT: '0',
  AGENT_MANAGER_DATA_DIR: join(mkdtempSync(join(base, 'data ü ')), 'data'),
  ...more,
})
const urlOf = (connection: TestDatabase['connection']) => {
  const { user, password, host, port, database: name } = connection
  const auth = `${user}:${encodeURIComponent(password)}`
  return host.startsWith('/')
    ? `postgres://${auth}@/${name}?host=${encodeURIComponent(host)}&port=${port}`
    : `postgres://${auth}@${host}:${port}/${name}`
}

/** A folder with only these programs, as a PATH. */
function pathWith(...programs: string[]): string {
  const folder = mkdtempSync(join(base, 'path-'))
  for (const program of programs) symlinkSync(program, join(folder, program.split('/').at(-1) ?? ''))
  return folder
}

describe('a start that cannot go on', () => {
  test.each([
    ['a bad setting', { PORT: 'http' }, 64, 'PORT'],
    ['an unknown setting', { AGENT_MANAGER_SAFETY_NO_SUCH: '1' }, 64, 'AGENT_MANAGER_SAFETY_NO_SUCH'],
    ['an open address without keys', { HOST: '0.0.0.0' }, 64, 'HOST'],
    [
      'a database that is not there',
      { DATABASE_URL: 'postgres://u:secret-word-1@127.0.0.1:1/x' },
      69,
      'DATABASE_URL',
    ],
    [
      'a data folder that cannot be made',
      { AGENT_MANAGER_DATA_DIR: '/dev/null/data' },
      64,
      'AGENT_MANAGER_DATA_DIR',
    ],
  ])('%s', async (_, more, code, named) => {
    const ended = await runServiceToEnd(env(more))

    expect(ended.code).toBe(code)
    expect(ended.stderr).toContain(named)
    expect(ended.stderr).not.toContain('secret-word-1')
    expect(ended.stdout).toBe('')
  })

  test('missing git names the package', async () => {
    const ended = await runServiceToEnd(env({ PATH: pathWith('/usr/bin/env') }))

    expect([ended.code, ended.stderr]).toEqual([69, expect.stringContaining('package "git"')])
  })

  test('a wrong password, and a schema of somebody else, are told apart', async () => {
    const wrong = await runServiceToEnd(
      env({ DATABASE_URL: urlOf({ ...database.owner, password: 'wrong-password' }) }),
    )
    expect([wrong.code, wrong.stderr]).toEqual([69, expect.stringContaining('DATABASE_URL')])

    const name = `foreign_${Date.now()}`
    const admin = openDatabase({ connection: inject('postgres'), max: 1, log: createLogger('error') })
    await sql`CREATE DATABASE ${sql.id(name)}`.execute(admin.db)
    const foreign = openDatabase({
      connection: { ...inject('postgres'), database: name },
      max: 1,
      log: createLogger('error'),
    })
    await sql`CREATE SCHEMA agent_manager CREATE TABLE theirs (x int)`.execute(foreign.db)
    await foreign.close()
    const refused = await runServiceToEnd(
      env({ DATABASE_URL: urlOf({ ...inject('postgres'), database: name }) }),
    )
    expect([refused.code, refused.stderr]).toEqual([78, expect.stringContaining('agent_manager')])
    await sql`DROP DATABASE ${sql.id(name)} WITH (FORCE)`.execute(admin.db)
    await admin.close()
  })

  test('a database of a newer build is left alone', async () => {
    const newer = await createTestDatabase(1)
    const owner = openDatabase({ connection: newer.owner, max: 1, log: createLogger('error') })
    await sql`INSERT INTO agent_manager.schema_migrations (name, timestamp) VALUES ('9999_from_the_future', now()::text)`.execute(
      owner.db,
    )
    await owner.close()
    const ended = await runServiceToEnd(env({ DATABASE_URL: urlOf(newer.owner) }))
    await newer.close()

    expect([ended.code, ended.stderr]).toEqual([78, expect.stringContaining('9999_from_the_future')])
  })

  test('a port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const address = taken.address()
    const port = typeof address === 'object' && address ? String(address.port) : ''
    const ended = await runServiceToEnd(env({ PORT: port, DATABASE_URL: urlOf(database.owner) }))
    taken.close()

    expect([ended.code, ended.stderr]).toEqual([69, expect.stringContaining('PORT')])
  })
})

describe('a service', () => {
  test('prints one line, refuses a second owner of its folder, drains on SIGTERM', async () => {
    const settings = env()
    const service = await startService(settings)
    expect(service.line).toEqual({
      event: 'listening',
      pid: service.pid,
      url: service.url,
      database: 'embedded',
      sandbox: 'embedded',
    })
    const health = await until(
      'readiness',
      () => call(service.url, 'GET', '/readyz'),
      (answer) => answer.status === 200,
    )
    expect(health.status).toBe(200)

    const second = await runServiceToEnd(settings)
    expect([second.code, second.stderr]).toEqual([69, expect.stringContaining(`pid ${service.pid}`)])

    expect(await service.end('SIGTERM')).toEqual({ code: 0, signal: null })
  })

  test('started by npm, goes when npm is gone, however npm ends', async () => {
    const npm = spawn('npm', ['start'], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: env(),
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const lines = createInterface({ input: npm.stdout })
    const pid = await new Promise<number>((resolve) => {
      lines.on('line', (line) => {
        if (line.startsWith('{')) resolve(JSON.parse(line).pid)
      })
    })

    npm.kill('SIGKILL')

    await until(
      'the end of the service',
      async () => isAlive(pid),
      (alive) => !alive,
      30_000,
    )
  })

  test('works with two database roles, and with a sandbox service that is away says so and makes nothing', async () => {
    const settings = env({
      DATABASE_URL: urlOf(database.connection),
      DATABASE_MIGRATION_URL: urlOf(database.owner),
      WORKSPACE_SANDBOX_URL: 'http://127.0.0.1:9',
      AGENT_MANAGER_RUNNERS_OPENCODE_PATH: fakeOpencode(),
      OPENAI_API_KEY: 'of-a-test',
    })
    const service = await startService(settings)
    try {
      expect(service.line).toMatchObject({ database: 'external', sandbox: 'external' })
      const root = join(base, 'project')
      mkdirSync(root)
      makeGitProject(root, GREETER)
      const task = await call(service.url, 'POST', '/api/v1/tasks', {
        task: { title: 't', description: 'd', scope_path: '', project_root: root },
      })
      const run = await call(service.url, 'POST', '/api/v1/runs', {
        task_id: task.body['task'].id,
        inline_config: { runner_type: 'opencode' },
      })
      expect([run.status, run.body['code']]).toEqual([503, 'SANDBOX_UNAVAILABLE'])
      expect(run.body['detail']).toContain('WORKSPACE_SANDBOX_URL')
      expect((await call(service.url, 'GET', '/api/v1/runs')).body['total']).toBe(0)
      expect((await call(service.url, 'GET', '/api/v1/health')).body['status']).toBe('HEALTH_STATUS_DEGRADED')
    } finally {
      await service.end('SIGTERM')
    }
  })
})

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(' Z ') === false
  } catch {
    return false // gone
  }
}

/** A program that only says a version: admission looks no further. */
function fakeOpencode(): string {
  const file = join(base, 'opencode')
  writeFileSync(file, '#!/bin/sh\necho 1.18.33\n', { mode: 0o755 })
  return file
}
