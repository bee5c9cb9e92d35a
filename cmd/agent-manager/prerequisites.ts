/** Programs that must be there before anything is started. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { EXIT, StartError } from './exit.ts'

const OLDEST_GIT = [2, 35] as const

/** @throws StartError 69 when git is missing or older than 2.35 */
export async function requireGit(path: string): Promise<void> {
  const version = await gitVersion(path)
  if (version === null) {
    throw new StartError(
      EXIT.unavailable,
      'git is not installed or not on PATH: install the package "git" (2.35 or newer).',
    )
  }
  const [major = 0, minor = 0] = version
  if (major < OLDEST_GIT[0] || (major === OLDEST_GIT[0] && minor < OLDEST_GIT[1])) {
    throw new StartError(
      EXIT.unavailable,
      `git ${major}.${minor} is too old: install the package "git" in version 2.35 or newer.`,
    )
  }
}

async function gitVersion(path: string): Promise<number[] | null> {
  try {
    const { stdout } = await promisify(execFile)('git', ['--version'], {
      env: { PATH: path },
      timeout: 10_000,
    })
    return /(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number) ?? null
  } catch {
    return null // not there, or not able to say its version: both mean the same to the operator
  }
}
