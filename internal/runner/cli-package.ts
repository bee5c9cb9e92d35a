/**
 * Installs a pinned agent CLI out of a package of its own (a folder with package.json and package-lock.json), the
 * first time somebody needs it. Such packages depend on the native builds of each platform; npm takes the one
 * that fits.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { type ExclusiveLock, takeExclusiveLock } from '../exclusive-lock.ts'
import { settlesWithin } from '../process/deadline.ts'
import { findProgram } from '../process/find-program.ts'
import { keepTail } from '../process/tail.ts'

/** Native builds are large: 174 MB to fetch at the most. */
const INSTALL_TIMEOUT_MS = 300_000
const LOCK_POLL_MS = 250

export interface CliPackage {
  /** For messages: `opencode`. */
  readonly name: string
  /** Absolute folder of package.json and its lock file. */
  readonly folder: string
  /** The program as `package/path/of/file` below node_modules; the first that is there is taken. */
  readonly programs: readonly string[]
}

export interface InstallOptions {
  /** The whole environment of npm: PATH, HOME and the `npm_config_*` that the caller wants it to have. */
  readonly env: Readonly<Record<string, string>>
  readonly log?: { info(fields: object, message: string): void }
}

/**
 * The native program of the pinned version; installed by `npm ci` when it is not there yet. Two callers at once do
 * not collide: the second waits for the first.
 * @returns its absolute path
 * @throws Error when npm is missing, fails or takes longer than 300 s, or has no program for this platform
 */
export async function installCli(cli: CliPackage, options: InstallOptions): Promise<string> {
  const end = performance.now() + INSTALL_TIMEOUT_MS
  const ready = installedProgram(cli)
  if (ready !== null) return ready
  const lock = await waitForLock(cli, end)
  try {
    const meanwhile = installedProgram(cli)
    if (meanwhile !== null) return meanwhile
    options.log?.info({ version: pinnedVersion(cli) }, `installing the ${cli.name} command line`)
    await runNpm(cli, options.env, end)
    writeFileSync(stampOf(cli), `${pinnedVersion(cli)}\n`)
  } finally {
    lock.release()
  }
  const installed = installedProgram(cli)
  if (installed === null)
    throw new Error(
      `npm installed no ${cli.name} program for ${process.platform} ${process.arch}: its registry may not have ${cli.programs[0]} of ${pinnedVersion(cli)}`,
    )
  return installed
}

/** The version that the package pins. @throws Error when its package.json pins nothing */
export function pinnedVersion(cli: CliPackage): string {
  const file: unknown = JSON.parse(readFileSync(join(cli.folder, 'package.json'), 'utf8'))
  const { optionalDependencies } = z
    .object({ optionalDependencies: z.record(z.string(), z.string()) })
    .parse(file)
  const version = Object.values(optionalDependencies)[0]
  if (version === undefined) throw new Error(`the package of the ${cli.name} command line pins nothing`)
  return version
}

/** Written after `npm ci` has ended well: an interrupted install leaves none. npm removes it with the folder. */
const stampOf = (cli: CliPackage): string => join(cli.folder, 'node_modules', '.installed')

function installedProgram(cli: CliPackage): string | null {
  const stamp = stampOf(cli)
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8').trim() !== pinnedVersion(cli)) return null
  for (const program of cli.programs) {
    const file = findProgram(join(cli.folder, 'node_modules', program), '')
    if (file !== null) return file
  }
  return null
}

async function waitForLock(cli: CliPackage, end: number): Promise<ExclusiveLock> {
  const owner = `pid ${process.pid} installs ${cli.name}`
  for (;;) {
    const taken = takeExclusiveLock(join(cli.folder, '.install-lock'), owner)
    if (taken.ok) return taken.lock
    if (performance.now() >= end) throw new Error(`another installation is still at work: ${taken.owner}`)
    await delay(LOCK_POLL_MS)
  }
}

async function runNpm(cli: CliPackage, env: Readonly<Record<string, string>>, end: number): Promise<void> {
  const npm = findProgram('npm', env['PATH'] ?? '')
  if (npm === null) throw new Error(`npm was not found on PATH: it is needed to install ${cli.name}`)
  const child = spawn(npm, ['ci', '--no-audit', '--no-fund'], {
    cwd: cli.folder,
    env: { ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said = keepTail(child.stderr, 2_000)
  /** What went wrong; null: nothing. */
  const ended = new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(code === 0 ? null : `exit ${code ?? signal}`))
  })
  if (!(await settlesWithin(ended, Math.max(0, end - performance.now())))) {
    child.kill('SIGKILL')
    throw new Error(`npm ci did not end within ${INSTALL_TIMEOUT_MS / 1000} s`)
  }
  const fault = await ended
  if (fault !== null) throw new Error(`npm ci failed (${fault}): ${said() ?? 'it said nothing'}`)
}
