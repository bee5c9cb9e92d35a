import { once } from 'node:events'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { Client } from 'pg'
import { pino } from 'pino'
import { afterEach, describe, expect, it, type TestContext, vi } from 'vitest'
import type { EmbeddedPostgres } from '../../adapters/embedded-postgres/embedded-postgres.ts'
import { hashOf } from '../../adapters/embedded-postgres/layout.ts'
import { closedToOthers, eventually, isRoot, query, Yard } from '../support/embedded-postgres.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const yard = new Yard()
afterEach(() => yard.clean())

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe('a data folder of its own', () => {
  it('keeps its rows and its address over a restart', async () => {
    const dataDir = yard.folder()
    const first = await yard.start(dataDir)
    await query(first.connection, 'CREATE TABLE kept (word text)')
    await query(first.connection, "INSERT INTO kept VALUES ('once')")
    await first.stop()

    const second = await yard.start(dataDir)

    expect(second.connection).toEqual(first.connection)
    expect(second.adopted).toBe(false)
    expect(await query(second.connection, 'SELECT word FROM kept')).toEqual([{ word: 'once' }])
  })

  it('listens on a socket in the folder and on no network, and shows the password to nobody else', async () => {
    const dataDir = yard.folder(0o755)

    const { connection, pid } = await yard.start(dataDir)

    const folder = join(dataDir, 'postgres')
    expect(connection).toMatchObject({ host: join(folder, 'run'), database: 'agent_manager', port: 5432 })
    expect(await query(connection, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }])
    expect(await query(connection, 'SHOW server_encoding')).toEqual([{ server_encoding: 'UTF8' }])
    expect([modeOf(folder), modeOf(connection.host), modeOf(join(folder, 'password'))]).toEqual([
      '700',
      '700',
      '600',
    ])
    expect(readFileSync(join(folder, 'log'), 'utf8')).not.toContain(connection.password)
    const wrong = query({ ...connection, password: 'guessed' }, 'SELECT 1')
    await expect(wrong).rejects.toMatchObject({ code: '28P01' })
    expect(pid).toBeGreaterThan(1)
  })

  it('puts the socket into a private folder under /tmp when its path is too long for a socket', async () => {
    const dataDir = join(yard.folder(), `${'deep/'.repeat(20)}end`)

    const { connection } = await yard.start(dataDir)

    expect(connection.host).toBe(`/tmp/agent-manager-${hashOf(dataDir)}`)
    expect(modeOf(connection.host)).toBe('700')
    expect(await query(connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('refuses a socket folder under /tmp that is a link', async () => {
    const dataDir = join(yard.folder(), 'a,b')
    mkdirSync(dataDir)
    symlinkSync(yard.folder(), yard.willExist(`/tmp/agent-manager-${hashOf(dataDir)}`))

    await expect(yard.start(dataDir)).rejects.toMatchObject({ reason: 'cannot_run' })
  })

  it('takes the place of a half-made cluster', async () => {
    const dataDir = yard.folder()
    const half = join(dataDir, 'postgres', 'data.new')
    mkdirSync(half, { recursive: true })
    writeFileSync(join(half, 'PG_VERSION'), 'half')

    const { connection } = await yard.start(dataDir)

    expect(await query(connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(existsSync(half)).toBe(false)
  })

  it('refuses a cluster whose password is lost, and leaves nothing locked', async () => {
    const dataDir = yard.folder()
    const first = await yard.start(dataDir)
    await first.stop()
    const file = join(dataDir, 'postgres', 'password')
    rmSync(file)

    await expect(yard.start(dataDir)).rejects.toMatchObject({ reason: 'cannot_run' })

    writeFileSync(file, `${first.connection.password}\n`)
    expect((await yard.start(dataDir)).connection).toEqual(first.connection)
  })
})

describe('ownership', () => {
  it('refuses a second owner at once, naming the folder and the first one', async () => {
    const dataDir = yard.folder()
    const owner = await yard.owner(dataDir)

    const refused = await yard.start(dataDir).catch((error: unknown) => error)

    expect(refused).toMatchObject({ reason: 'in_use' })
    expect(String(refused)).toContain(join(dataDir, 'postgres'))
    expect(String(refused)).toContain(`pid ${owner.child.pid} `)
  })

  it('refuses a second owner in the same process', async () => {
    const dataDir = yard.folder()
    const first = await yard.start(dataDir)

    await expect(yard.start(dataDir)).rejects.toMatchObject({ reason: 'in_use' })

    expect(await query(first.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('adopts the living postmaster of an owner that was killed', async () => {
    const dataDir = yard.folder()
    const owner = await yard.owner(dataDir)
    await query(owner.connection, 'CREATE TABLE kept AS SELECT 7 AS number')
    await yard.end(owner, 'SIGKILL')

    const heir = await yard.start(dataDir)

    expect(heir).toMatchObject({ adopted: true, pid: owner.pid, connection: owner.connection })
    expect(await query(heir.connection, 'SELECT number FROM kept')).toEqual([{ number: 7 }])
    await heir.stop()
    expect(existsSync(join(dataDir, 'postgres', 'data', 'postmaster.pid'))).toBe(false)
  })

  it('recovers what was committed when owner and postmaster were killed', async () => {
    const dataDir = yard.folder()
    const owner = await yard.owner(dataDir)
    await query(owner.connection, 'CREATE TABLE kept AS SELECT 7 AS number')
    await yard.end(owner, 'SIGKILL')
    await yard.kill(owner.pid, 'SIGKILL')

    const heir = await yard.start(dataDir)

    expect(heir.adopted).toBe(false)
    expect(await query(heir.connection, 'SELECT number FROM kept')).toEqual([{ number: 7 }])
  })

  it('keeps the postmaster away from the signals of the terminal', async () => {
    const dataDir = yard.folder()
    const owner = await yard.owner(dataDir)

    const ended = once(owner.child, 'exit')
    process.kill(-owner.child.pid!, 'SIGINT') // as Ctrl-C does: to the whole group
    await ended

    expect((await yard.start(dataDir)).pid).toBe(owner.pid)
  })

  it('waits for a postmaster that is shutting down and starts another', async () => {
    const dataDir = yard.folder()
    const owner = await yard.owner(dataDir)
    let starting: Promise<EmbeddedPostgres> | undefined
    const guest = new Client({ ...owner.connection, ssl: false })
    await guest.connect()
    await yard.end(owner, 'SIGKILL')
    process.kill(owner.pid, 'SIGTERM') // smart shutdown: refuses newcomers and waits for its guest
    await eventually(async () => {
      await expect(query(owner.connection, 'SELECT 1')).rejects.toMatchObject({ code: '57P03' })
    })

    const heard = new Promise((resolve) => {
      const log = pino({ level: 'info' }, { write: (line) => line.includes('found') && resolve(line) })
      starting = yard.start(dataDir, { log })
    })
    await Promise.race([heard, starting])
    await guest.end()
    const heir = await starting!

    expect(heir.adopted).toBe(false)
    expect(heir.pid).not.toBe(owner.pid)
    expect(await query(heir.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('waits for a query that outlived its postmaster, and for no longer than its client lives', async () => {
    const dataDir = yard.folder()
    const owner = await yard.owner(dataDir)
    const guest = new Client({ ...owner.connection, ssl: false })
    guest.on('error', () => undefined)
    await guest.connect()
    guest.query('SELECT count(*) FROM generate_series(1, 1e12)').catch(() => undefined) // ends with the guest
    const busy =
      "SELECT pid FROM pg_stat_activity WHERE query LIKE '%1e12)' AND state = 'active' AND pid <> pg_backend_pid()"
    await eventually(async () => expect(await query(owner.connection, busy)).toHaveLength(1))
    await yard.end(owner, 'SIGKILL')
    await yard.kill(owner.pid, 'SIGKILL')

    const starting = yard.start(dataDir)
    const log = join(dataDir, 'postgres', 'log')
    await eventually(() => expect(readFileSync(log, 'utf8')).toContain('pre-existing shared memory'))
    guest.connection.stream.destroy()

    expect(await query((await starting).connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('leaves a folder alone that something unseen serves, as from another container', async () => {
    const dataDir = yard.folder()
    const owner = await yard.owner(dataDir)
    await yard.end(owner, 'SIGKILL')
    rmSync(join(dataDir, 'postgres', 'data', 'postmaster.pid'))

    await expect(yard.start(dataDir)).rejects.toMatchObject({ reason: 'cannot_run' })

    expect(await query(owner.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('starts although the pid of the dead postmaster belongs to another program now', async () => {
    const dataDir = yard.folder()
    await (await yard.start(dataDir)).stop()
    writeFileSync(join(dataDir, 'postgres', 'data', 'postmaster.pid'), `${process.pid}\n`)

    const { connection } = await yard.start(dataDir)

    expect(await query(connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })
})

describe('supervision', () => {
  it('starts a killed postmaster again at the same address', async () => {
    const database = await yard.start(yard.folder())
    await query(database.connection, 'CREATE TABLE kept AS SELECT 7 AS number')
    const killed = database.pid

    await yard.kill(killed, 'SIGKILL')

    const rows = await eventually(() => query(database.connection, 'SELECT number FROM kept'))
    expect(rows).toEqual([{ number: 7 }])
    expect(database.pid).not.toBe(killed)
  })

  it('does so for an adopted one too, and stops what it started', async () => {
    const dataDir = yard.folder()
    const owner = await yard.owner(dataDir)
    await yard.end(owner, 'SIGKILL')
    const heir = await yard.start(dataDir)

    await yard.kill(owner.pid, 'SIGKILL')

    await eventually(() => query(heir.connection, 'SELECT 1'))
    await heir.stop()
    await heir.stop()
    await expect(query(heir.connection, 'SELECT 1')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('stops for good also in the moment between two postmasters', async () => {
    const dataDir = yard.folder()
    const database = await yard.start(dataDir)
    await yard.kill(database.pid, 'SIGKILL')

    await database.stop()

    const next = await yard.start(dataDir)
    expect(next.adopted).toBe(false)
  })
})

const NOBODY = 65_534
const NAMELESS = 60_599
const noOthers = isRoot ? closedToOthers() : 'only root can become another user'

describe('without being root', () => {
  it.for([
    ['an ordinary user', NOBODY],
    ['a user without a name', NAMELESS],
  ] as const)('runs as %s', async ([, uid], test) => {
    skipWhen(test, noOthers !== undefined, noOthers)
    const dataDir = yard.folder()
    chownSync(dataDir, uid, uid)
    const first = await yard.owner(dataDir, { uid })
    skipWhen(test, uid === NAMELESS && first.message?.includes('unshare') === true, first.message)
    await query(first.connection, 'CREATE TABLE kept AS SELECT 7 AS number')
    await yard.end(first, 'SIGTERM')

    const second = await yard.owner(dataDir, { uid })

    expect(statSync(join(dataDir, 'postgres', 'data')).uid).toBe(uid)
    expect(await query(second.connection, 'SELECT number FROM kept')).toEqual([{ number: 7 }])
  })
})

describe('as root where user namespaces are forbidden', () => {
  const forced = { strategies: ['other_user'] } as const
  const outsideOf = (dataDir: string): string => `/var/tmp/agent-manager-${hashOf(dataDir)}`

  it('keeps rows in a folder of another user, over a restart and a kill', async (test) => {
    skipWhen(test, !isRoot, 'only root can become another user')
    const dataDir = yard.folder()
    const first = await yard.start(dataDir, forced)
    await query(first.connection, 'CREATE TABLE kept AS SELECT 7 AS number')
    await first.stop()
    const owner = await yard.owner(dataDir, { way: 'other_user' })
    await yard.end(owner, 'SIGKILL')

    const heir = await yard.start(dataDir) // not forced: what was made so stays so

    expect(heir).toMatchObject({ adopted: true, pid: owner.pid, connection: first.connection })
    expect(await query(heir.connection, 'SELECT number FROM kept')).toEqual([{ number: 7 }])
    expect(statSync(`/proc/${heir.pid}`).uid).toBe(statSync(outsideOf(dataDir)).uid)
    expect(statSync(outsideOf(dataDir)).uid).toBeGreaterThan(60_000)
  })

  it('stays in the data folder where everybody may pass through to it', async (test) => {
    skipWhen(test, !isRoot, 'only root can become another user')
    const dataDir = yard.folder(0o711)

    // Really without `unshare` this time, so that the ways are tried in their order.
    const first = await yard.start(dataDir, { environment: { PATH: dataDir } })
    await first.stop()
    const second = await yard.start(dataDir)

    expect(second.connection).toEqual(first.connection)
    expect(existsSync(join(dataDir, 'postgres', 'other-user', 'data'))).toBe(true)
    expect(existsSync(outsideOf(dataDir))).toBe(false)
  })

  it('refuses a folder that somebody else made, and one that has vanished', async (test) => {
    skipWhen(test, !isRoot, 'only root can become another user')
    const dataDir = yard.folder()
    const outside = outsideOf(dataDir)
    mkdirSync(outside)
    chownSync(outside, NOBODY, NOBODY)
    await expect(yard.start(dataDir, forced)).rejects.toThrow(outside)
    rmSync(outside, { recursive: true })
    symlinkSync(yard.folder(), outside)
    await expect(yard.start(dataDir, forced)).rejects.toMatchObject({ reason: 'cannot_run' })
    rmSync(outside)
    await (await yard.start(dataDir, forced)).stop()
    rmSync(outside, { recursive: true })

    await expect(yard.start(dataDir)).rejects.toThrow(/gone .*DATABASE_URL/s)
  })

  it('does not begin an empty database beside one that needs user namespaces', async (test) => {
    skipWhen(test, !isRoot, 'only root can become another user')
    const dataDir = yard.folder()
    await (await yard.start(dataDir, { strategies: ['user_namespace'] })).stop()

    await expect(yard.start(dataDir, forced)).rejects.toMatchObject({ reason: 'cannot_run' })
  })

  it('names DATABASE_URL when no way works', async (test) => {
    skipWhen(test, !isRoot, 'Postgres runs here without further ado')

    const refused = await yard
      .start(yard.folder(), { strategies: ['plain'] })
      .catch((error: unknown) => error)

    expect(refused).toMatchObject({ reason: 'cannot_run', message: expect.stringContaining('DATABASE_URL') })
  })
})

/** Vitest's list leaves the reason out, so it is printed as well. */
function skipWhen(test: TestContext, isSo: boolean, why = 'unknown'): void {
  if (isSo) process.stderr.write(`not tried here: ${why}\n`)
  test.skip(isSo, why)
}
