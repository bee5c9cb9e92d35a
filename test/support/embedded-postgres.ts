/** What the tests of the embedded database share: folders, owner programs to kill, and the cleaning up. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client, type QueryResultRow } from 'pg'
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../adapters/embedded-postgres/embedded-postgres.ts'
import { hashOf } from '../../adapters/embedded-postgres/layout.ts'
import { isAlive, markOf, type ProcessMark } from '../../adapters/embedded-postgres/process-table.ts'
import { createLogger } from '../../internal/log.ts'

export type Connection = EmbeddedPostgres['connection']

/** What the owner program printed. */
export interface Owner {
  readonly child: ChildProcess
  readonly connection: Connection
  readonly pid: number
  readonly adopted: boolean
  readonly reason?: string
  readonly message?: string
}

const OWNER = fileURLToPath(new URL('embedded-postgres-owner.ts', import.meta.url))

export const isRoot = process.geteuid?.() === 0

export async function query(connection: Connection, sql: string): Promise<QueryResultRow[]> {
  const client = new Client({
    ...connection,
    ssl: false,
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** Asks until it is so; the last failure is the test's. */
export async function eventually<T>(ask: () => Promise<T> | T, deadlineMs = 15_000): Promise<T> {
  const end = performance.now() + deadlineMs
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > end) throw error
      await sleep(20)
    }
  }
}

/** Collects what a test starts and makes, and takes it away again in the right order. */
export class Yard {
  readonly #databases: EmbeddedPostgres[] = []
  readonly #processes: ProcessMark[] = []
  readonly #folders: string[] = []

  /** A new folder whose name no shell and no careless quoting would survive. */
  folder(mode = 0o700): string {
    const folder = mkdtempSync(join(realpathSync(tmpdir()), "agent manager' ü-"))
    chmodSync(folder, mode)
    this.#folders.push(folder)
    return folder
  }

  /** A folder outside that a test or the code under test makes. */
  willExist(folder: string): string {
    this.#folders.push(folder)
    return folder
  }

  async start(dataDir: string, more: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
    this.#expect(dataDir)
    const database = await startEmbeddedPostgres({ dataDir, log: createLogger('silent'), ...more })
    this.#databases.push(database)
    this.#remember(database.pid)
    return database
  }

  /** Starts the owner program in a group of its own and waits for its line. */
  async owner(dataDir: string, more: { uid?: number; way?: string } = {}): Promise<Owner> {
    this.#expect(dataDir)
    const user = more.uid === undefined ? {} : { uid: more.uid, gid: more.uid }
    const args = [OWNER, dataDir, ...(more.way === undefined ? [] : [more.way])]
    const child = spawn(process.execPath, args, {
      ...user,
      detached: true,
      env: {},
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (child.pid !== undefined) this.#remember(child.pid)
    for await (const line of createInterface({ input: child.stdout! })) {
      const said = JSON.parse(line) as Omit<Owner, 'child'>
      if (said.pid !== undefined) this.#remember(said.pid)
      return { ...said, child }
    }
    throw new Error('the owner program ended without a line')
  }

  /** Ends an owner and waits until it is reaped: its threads can hold the lock longer than its pid shows. */
  async end(owner: Owner, signal: NodeJS.Signals): Promise<void> {
    const ended = once(owner.child, 'exit', { signal: AbortSignal.timeout(40_000) })
    owner.child.kill(signal)
    await ended
  }

  /** Ends any process and waits until it is gone. */
  async kill(pid: number, signal: NodeJS.Signals): Promise<void> {
    const mark = markOf(pid)
    if (mark === undefined) return
    process.kill(pid, signal)
    await eventually(() => {
      if (isAlive(mark)) throw new Error(`${pid} lives on after ${signal}`)
    }, 40_000)
  }

  async clean(): Promise<void> {
    for (const database of this.#databases.splice(0)) await database.stop()
    for (const mark of this.#processes.splice(0).reverse())
      if (isAlive(mark)) await this.kill(mark.pid, 'SIGQUIT')
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  }

  /** The outside folders that belong to this data folder, should they be needed. */
  #expect(dataDir: string): void {
    for (const parent of ['/tmp', '/var/tmp'])
      this.#folders.push(join(parent, `agent-manager-${hashOf(dataDir)}`))
  }

  #remember(pid: number): void {
    const mark = markOf(pid)
    if (mark !== undefined) this.#processes.push(mark)
  }
}

/** @returns why another user cannot run our programs here, or undefined */
export function closedToOthers(): string | undefined {
  for (const file of [OWNER, realpathSync(process.execPath)]) {
    // A folder needs x to be passed through, a file r to be read.
    let bit = 0o004
    for (let path = file; path !== '/'; path = dirname(path)) {
      if ((statSync(path).mode & bit) === 0) return `${path} is closed to other users`
      bit = 0o001
    }
  }
  return undefined
}
