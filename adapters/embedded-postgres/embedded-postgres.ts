/**
 * Our default database: a Postgres of our own in the data folder, kept across restarts, taken over alive
 * after a crash of the service, and owned by one service at a time. README.md has the folder's picture.
 */
import { mkdirSync, realpathSync } from 'node:fs'
import { hostname } from 'node:os'
import process from 'node:process'
import { messageOf } from '../../internal/errors.ts'
import { type ExclusiveLock, takeExclusiveLock } from '../../internal/exclusive-lock.ts'
import { findBinaries } from './binaries.ts'
import { createCluster, OWNER, refuseOtherMajor } from './cluster.ts'
import { asEmbeddedPostgresError, EmbeddedPostgresError } from './failure.ts'
import { hasCluster, type Layout, layoutOf, PORT, socketFolderOf } from './layout.ts'
import { boundLog } from './log-file.ts'
import { recordHome } from './other-user.ts'
import { privateFolder } from './ownership.ts'
import { ensurePassword } from './password.ts'
import { launchPostmaster } from './postmaster.ts'
import { ensureDatabase, type Login } from './probe.ts'
import { toolEnvironment } from './run-tool.ts'
import { adoptLiving, type StartOptions, startFresh } from './start.ts'
import { chooseStrategy, defaultStrategies, type StrategyName } from './strategy.ts'
import { type Log, Supervisor } from './supervisor.ts'

export interface EmbeddedPostgresOptions {
  /** The service's data folder; made (0700) when absent. Everything here lies in its folder `postgres`. */
  readonly dataDir: string
  readonly log: Log
  /** Where `unshare` and a shell are looked for; default the usual system folders. */
  readonly environment?: { readonly PATH?: string }
  /** Ways to run without being root, in the order to try; default by the user we are. */
  readonly strategies?: readonly StrategyName[]
}

export interface EmbeddedPostgres {
  /** Of a superuser; the same for as long as the cluster exists. */
  readonly connection: Login & { readonly database: string }
  /** Of the postmaster that runs now. */
  readonly pid: number
  /** Whether it had been left running by a service that was killed. */
  readonly adopted: boolean
  /**
   * Stops Postgres (at most 40 seconds) and gives the folder back. May be called again.
   * @throws when the postmaster does not stop
   */
  stop(): Promise<void>
}

const DATABASE = 'agent_manager'
const LOG_CHECK_MS = 60_000

/**
 * @returns when the database takes connections: after about a second the first time, else sooner
 * @throws EmbeddedPostgresError; then the folder is free again and nothing that was started runs
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
    const dataDir = realpathSync(options.dataDir)
    const layout = layoutOf(dataDir)
    const lock = takeOwnership(layout)
    try {
      return await run({ ...options, dataDir }, layout, lock)
    } catch (error) {
      lock.release()
      throw error
    }
  } catch (error) {
    throw asEmbeddedPostgresError(error)
  }
}

function takeOwnership(layout: Layout): ExclusiveLock {
  mkdirSync(layout.folder, { recursive: true, mode: 0o700 })
  const self = `pid ${process.pid} on ${hostname()}, since ${new Date().toISOString()}`
  const result = takeExclusiveLock(layout.lock, self)
  if (result.ok) return result.lock
  throw new EmbeddedPostgresError(
    'in_use',
    `The database folder ${layout.folder} is in use by another service (${result.owner}). ` +
      'Stop that one, or give this one a data folder of its own.',
  )
}

async function run(
  options: EmbeddedPostgresOptions,
  layout: Layout,
  lock: ExclusiveLock,
): Promise<EmbeddedPostgres> {
  const { dataDir, log } = options
  const start = await prepare(options, layout)
  const living = await adoptLiving(start)
  const first = living ?? (await startFresh(start))
  const supervisor = new Supervisor(first, () => launchPostmaster(start), log)
  try {
    await ensureDatabase(start.login, DATABASE)
  } catch (error) {
    await supervisor.stop()
    throw error
  }
  const adopted = living !== undefined
  const strategy = start.strategy.name
  log.info(
    { pid: first.pid, adopted, strategy, folder: start.strategy.home, dataDir },
    'embedded postgres runs',
  )
  const logTimer = keepLogSmall(layout.log, log)
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    clearInterval(logTimer)
    try {
      await supervisor.stop()
      log.info({ folder: start.strategy.home }, 'embedded postgres stopped')
    } finally {
      lock.release()
    }
  }
  return {
    connection: { ...start.login, database: DATABASE },
    get pid() {
      return supervisor.pid
    },
    adopted,
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** Everything up to the point where a postmaster could be started. */
async function prepare(options: EmbeddedPostgresOptions, layout: Layout): Promise<StartOptions> {
  const { dataDir, log } = options
  const env = toolEnvironment(options.environment?.PATH)
  const binaries = findBinaries()
  const names = options.strategies ?? defaultStrategies()
  const strategy = await chooseStrategy({ dataDir, layout, binaries, env, names })
  const sockets = socketFolderOf(strategy.home, dataDir)
  privateFolder(sockets, strategy.uid)
  const isNew = !hasCluster(strategy.home)
  const password = ensurePassword(layout.password, !isNew)
  if (isNew) await createCluster(strategy, env, password)
  refuseOtherMajor(strategy)
  if (strategy.name === 'other_user') recordHome(strategy.home, layout)
  boundLog(layout.log)
  const login = { host: sockets, port: PORT, user: OWNER, password }
  return { strategy, sockets, log: layout.log, env, login, logger: log }
}

function keepLogSmall(file: string, log: Log): NodeJS.Timeout {
  const timer = setInterval(() => {
    try {
      boundLog(file)
    } catch (error) {
      log.warn({ file, error: messageOf(error) }, 'embedded postgres log could not be shortened')
    }
  }, LOG_CHECK_MS)
  return timer.unref()
}
