/** Installs the pinned opencode CLI into a folder of its own, the first time somebody needs it. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { type ExclusiveLock, takeExclusiveLock } from '../../../internal/exclusive-lock.ts'
import { settlesWithin } from '../../../internal/process/deadline.ts'
import { findProgram } from '../../../internal/process/find-program.ts'
import { keepTail } from '../../../internal/process/tail.ts'
import { nativePackages } from './find.ts'

const CLI_FOLDER = join(import.meta.dirname, 'cli')
const INSTALL_TIMEOUT_MS = 150_000
const LOCK_POLL_MS = 250
/** Written after `npm ci` has ended well: an interrupted install leaves none. npm removes it with the folder. */
const STAMP = join(CLI_FOLDER, 'node_modules', '.installed')

export interface InstallOptions {
  /**
   * The whole environment of npm: PATH, HOME and the `npm_config_*` that the caller wants it to have.
   */
  readonly env: Readonly<Record<string, string>>
  readonly log?: { info(fields: object, message: string): void }
}

/**
 * The native opencode program of the version this adapter is made for; installed by `npm ci` when it is not
 * there yet. Two callers at once do not collide: the second waits for the first.
 * @returns its absolute path
 * @throws Error when npm is missing, fails or takes longer than 150 s, or has no program for this platform
 */
export async function installOpencode(options: InstallOptions): Promise<string> {
  const end = performance.now() + INSTALL_TIMEOUT_MS
  const ready = installedProgram()
  if (ready !== null) return ready
  const lock = await waitForLock(end)
  try {
    const meanwhile = installedProgram()
    if (meanwhile !== null) return meanwhile
    options.log?.info({ version: pinnedVersion() }, 'installing the opencode command line')
    await runNpm(options.env, end)
    writeFileSync(STAMP, `${pinnedVersion()}\n`)
  } finally {
    lock.release()
  }
  const installed = installedProgram()
  if (installed === null)
    throw new Error(
      `npm installed no opencode program for ${process.platform} ${process.arch}: its registry may not have ${nativePackages(process.platform, process.arch)[0]}@${pinnedVersion()}`,
    )
  return installed
}

/** The version that the package pins. */
export function pinnedVersion(): string {
  const file: unknown = JSON.parse(readFileSync(join(CLI_FOLDER, 'package.json'), 'utf8'))
  const { optionalDependencies } = z
    .object({ optionalDependencies: z.record(z.string(), z.string()) })
    .parse(file)
  const version = Object.values(optionalDependencies)[0]
  if (version === undefined) throw new Error('the CLI package pins nothing')
  return version
}

function installedProgram(): string | null {
  if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8').trim() !== pinnedVersion()) return null
  for (const name of nativePackages(process.platform, process.arch)) {
    const file = findProgram(join(CLI_FOLDER, 'node_modules', name, 'bin', 'opencode'), '')
    if (file !== null) return file
  }
  return null
}

async function waitForLock(end: number): Promise<ExclusiveLock> {
  for (;;) {
    const taken = takeExclusiveLock(join(CLI_FOLDER, '.install-lock'), `pid ${process.pid} installs opencode`)
    if (taken.ok) return taken.lock
    if (performance.now() >= end) throw new Error(`another installation is still at work: ${taken.owner}`)
    await delay(LOCK_POLL_MS)
  }
}

async function runNpm(env: Readonly<Record<string, string>>, end: number): Promise<void> {
  const npm = findProgram('npm', env['PATH'] ?? '')
  if (npm === null) throw new Error('npm was not found on PATH: it is needed to install opencode')
  const child = spawn(npm, ['ci', '--no-audit', '--no-fund'], {
    cwd: CLI_FOLDER,
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
