/** The embedded workspace-sandbox service. Exit codes: 0 asked to stop, 64 bad setting, 69 cannot run here. */
import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { type ExclusiveLock, takeExclusiveLock } from '../../internal/exclusive-lock.ts'
import { createLogger } from '../../internal/log.ts'
import { watchParent } from '../../internal/parent-watch.ts'
import { type Config, readConfig } from './config.ts'
import { chooseDriver } from './driver-choice.ts'
import { createGit, firstLine, type Git } from './git-base/git.ts'
import { releaseMounts } from './overlay-driver/mount-users.ts'
import { createMounts, type Mounts } from './overlay-driver/mounts.ts'
import { recover } from './recovery.ts'
import { openRowStore } from './row-store.ts'
import { createSandboxFolders, spreadFolders } from './sandbox-folders.ts'
import type { Deps } from './sandbox-service.ts'
import { createSerial } from './serial.ts'
import { buildServer } from './server.ts'

const EXIT_USAGE = 64
const EXIT_UNAVAILABLE = 69
const LOCK_WAIT_MS = 10_000
const LOCK_POLL_MS = 100
/** After this the process ends anyway; what was cut is finished at the next start. */
const DRAIN_MS = 20_000

function exitWith(code: number, sentence: string): never {
  process.stderr.write(`workspace-sandbox: ${sentence}\n`)
  process.exit(code)
}

async function waitForLock(baseDir: string): Promise<ExclusiveLock> {
  const deadline = performance.now() + LOCK_WAIT_MS
  for (;;) {
    const result = takeExclusiveLock(join(baseDir, 'lock'), `workspace-sandbox, pid ${process.pid}`)
    if (result.ok) return result.lock
    if (performance.now() >= deadline) {
      exitWith(
        EXIT_UNAVAILABLE,
        `${baseDir} is in use by another process (${result.owner}); stop it or set SANDBOX_BASE_DIR`,
      )
    }
    await sleep(LOCK_POLL_MS)
  }
}

async function requireGit(git: Git): Promise<void> {
  let version = ''
  try {
    version = firstLine((await git({ cwd: '/', args: ['version'] })).stdout)
  } catch (error) {
    exitWith(EXIT_UNAVAILABLE, `git is needed, install the package "git" (${String(error)})`)
  }
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? []
  if (Number(major) * 1000 + Number(minor) < 2031)
    exitWith(EXIT_UNAVAILABLE, `git 2.31 or newer is needed, found ${version}`)
}

async function start(config: Config): Promise<void> {
  const log = createLogger(config.logLevel)
  const git = createGit(config.path)
  await requireGit(git)
  mkdirSync(config.baseDir, { recursive: true, mode: 0o700 })
  const baseDir = realpathSync(config.baseDir)
  const lock = await waitForLock(baseDir)
  const rows = await openRowStore(join(baseDir, 'rows'))
  const mounts = createMounts(config.path)
  const folders = createSandboxFolders(baseDir, mounts)
  const unspread = await spreadFolders(config.path, baseDir)
  if (unspread !== null) log.debug({ problem: unspread }, 'the file system lays sandboxes side by side')
  const isRoot = process.getuid?.() === 0
  const choice = await chooseDriver({ git, mounts, folders, rows, log, isRoot, baseDir }, config.driver)
  if (!choice.ok) exitWith(EXIT_UNAVAILABLE, choice.message)
  const deps: Deps = {
    rows,
    driver: choice.driver,
    serial: createSerial(),
    log,
    baseDir,
  }
  await recover(deps)
  const app = buildServer(deps, config)
  const url = await app.listen({ host: config.host, port: config.port })
  onStop(config, (why) => {
    log.info({ why }, 'stopping')
    setTimeout(() => process.exit(0), DRAIN_MS).unref()
    drain(app, deps, mounts).then(
      () => {
        lock.release()
        process.exit(0)
      },
      (error: unknown) => exitWith(1, `could not stop cleanly: ${String(error)}`),
    )
  })
  log.info({ url, base_dir: baseDir }, 'listening')
  folders
    .sweepTrash()
    .catch((error: unknown) => log.error({ err: error }, 'retired folders could not be removed'))
  process.stdout.write(
    `${JSON.stringify({ event: 'listening', pid: process.pid, url, driver: choice.name })}\n`,
  )
}

async function drain(app: FastifyInstance, deps: Deps, mounts: Mounts): Promise<void> {
  await app.close()
  await deps.serial.idle()
  await releaseMounts(mounts, deps.baseDir)
}

/** Calls `stop` once: at a signal, or when whoever started us has died. */
function onStop(config: Config, stop: (why: string) => void): void {
  let stopping = false
  const once = (why: string) => {
    if (stopping) return
    stopping = true
    stop(why)
  }
  process.on('SIGTERM', () => once('SIGTERM'))
  process.on('SIGINT', () => once('SIGINT'))
  if (process.env['npm_lifecycle_event'] !== undefined) watchParent(() => once('parent gone'))
  if (config.watchStdin) {
    process.stdin.on('end', () => once('stdin ended')).on('error', () => once('stdin ended'))
    process.stdin.resume()
  }
}

const result = readConfig(process.env)
if (!result.ok) exitWith(EXIT_USAGE, result.message)
try {
  await start(result.config)
} catch (error) {
  exitWith(EXIT_UNAVAILABLE, `could not start: ${error instanceof Error ? error.message : String(error)}`)
}
