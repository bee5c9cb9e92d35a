/** This machine, as the shell sees it: git, containment, the data folder. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmdirSync, type Stats, statfsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { detectLauncher } from '../../../adapters/launchers/detect.ts'
import { type Finding, fail, ok, warn } from './finding.ts'
import { containmentFinding } from './service.ts'

const MIB = 1024 * 1024

/** git 2.35 is the oldest that the service starts with; 2.38 handles projects of other users. */
export async function lookAtGit(path: string): Promise<Finding> {
  const install = 'Install the package "git", 2.35 or newer, and have it on the PATH of the service.'
  try {
    const { stdout } = await promisify(execFile)('git', ['--version'], {
      env: { PATH: path },
      timeout: 10_000,
    })
    const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(stdout) ?? []).map(Number)
    if (major < 2 || (major === 2 && minor < 35))
      return fail('git', `git ${major}.${minor} is too old`, install)
    if (major === 2 && minor < 38) {
      return warn(
        'git',
        `git ${major}.${minor} cannot handle projects that belong to another user`,
        'Install 2.38 or newer if you have such projects.',
      )
    }
    return ok('git', `git ${major}.${minor}`)
  } catch {
    return fail('git', 'git is not installed, or does not run', install)
  }
}

/**
 * Tries what the service would try.
 * @param path where bwrap and unshare are looked for; absent: where the service looks
 */
export async function lookAtContainment(path?: string): Promise<Finding> {
  return containmentFinding((await detectLauncher(path === undefined ? {} : { path })).containment)
}

/** @param minFree bytes below which the disk is nearly full */
export function lookAtDataDir(dataDir: string, minFree: number): Finding[] {
  const found = statOf(dataDir)
  if (found === null) {
    const parent = existing(dirname(dataDir))
    return [
      isWritable(parent)
        ? ok('data_dir', `${dataDir} will be made at the first start`)
        : fail(
            'data_dir',
            `${dataDir} cannot be made: ${parent} is not yours to write`,
            'Set AGENT_MANAGER_DATA_DIR to a folder that you may write.',
          ),
      disk(parent, minFree),
    ]
  }
  return [folder(dataDir, found), disk(dataDir, minFree)]
}

function folder(dataDir: string, found: Stats): Finding {
  if (!found.isDirectory()) {
    return fail(
      'data_dir',
      `${dataDir} is no folder`,
      'Move it away, or set AGENT_MANAGER_DATA_DIR to a folder.',
    )
  }
  if (!isWritable(dataDir)) {
    return fail(
      'data_dir',
      `${dataDir} is not yours to write`,
      `Give it to the user of the service (chown), or set AGENT_MANAGER_DATA_DIR to another folder.`,
    )
  }
  if ((found.mode & 0o077) !== 0 && found.uid === process.getuid?.()) {
    return warn(
      'data_dir',
      `${dataDir} is open to other users of this machine`,
      `Close it: chmod 700 ${dataDir}`,
    )
  }
  return ok('data_dir', dataDir)
}

function disk(path: string, minFree: number): Finding {
  const { bavail, bsize } = statfsSync(path)
  const free = bavail * bsize
  const text = `${Math.floor(free / MIB)} MiB free where ${path} lies`
  const fix =
    'Make room, `agentctl cleanup --dry-run` shows what can go, or set AGENT_MANAGER_DATA_DIR to another disk.'
  return free < minFree ? fail('disk', `only ${text}`, fix) : ok('disk', text)
}

function statOf(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null
}

function existing(path: string): string {
  return statOf(path) !== null || path === dirname(path) ? path : existing(dirname(path))
}

/** Tried, not asked: what the mode of a folder says is not what root, read-only disks and /proc do. */
function isWritable(folder: string): boolean {
  try {
    rmdirSync(mkdtempSync(join(folder, '.agentctl-doctor-')))
    return true
  } catch {
    return false
  }
}
