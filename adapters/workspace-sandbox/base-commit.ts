/** What git knows of a project at a commit. Nothing of the project's own configuration runs: no hook, no filter. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const GIT_MS = 10_000
const MAX_GIT_BYTES = 16 * 1024 * 1024
const PATHS_AT_ONCE = 200

export interface Entry {
  readonly mode: string
  readonly oid: string
}

/** @returns null without git, or without a commit */
export async function readHead(projectRoot: string, path: string): Promise<string | null> {
  const commit = await git(projectRoot, path, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'])
  return commit?.trim() ?? null
}

/** The commit's entries at these paths; null when it cannot be read any more. A null commit has none. */
export async function readTree(
  projectRoot: string,
  path: string,
  commit: string | null,
  paths: readonly string[],
): Promise<ReadonlyMap<string, Entry> | null> {
  const entries = new Map<string, Entry>()
  if (commit === null) return entries
  for (let at = 0; at < paths.length; at += PATHS_AT_ONCE) {
    const some = paths.slice(at, at + PATHS_AT_ONCE)
    const text = await git(projectRoot, path, ['ls-tree', '-z', commit, '--', ...some])
    if (text === null) return null
    for (const line of text.split('\0')) {
      const [, mode, oid, name] = /^(\d+) \w+ ([0-9a-f]+)\t(.+)$/s.exec(line) ?? []
      if (mode !== undefined && oid !== undefined && name !== undefined) entries.set(name, { mode, oid })
    }
  }
  return entries
}

const execute = promisify(execFile)

/** @returns stdout; null when git ends with a failure */
async function git(projectRoot: string, path: string, args: readonly string[]): Promise<string | null> {
  const options = ['-c', 'safe.directory=*', '-c', 'core.fsmonitor=false', '--literal-pathspecs']
  const env = {
    PATH: path,
    HOME: '/nonexistent',
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_LAZY_FETCH: '1',
  }
  try {
    const { stdout } = await execute('git', [...options, ...args], {
      cwd: projectRoot,
      env,
      timeout: GIT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_GIT_BYTES,
    })
    return stdout
  } catch {
    return null // no repository, no commit, or one that is gone: an answer
  }
}
