/**
 * Postgres refuses to run as root, and services in containers often are root. In order of preference:
 * - `plain`: we are not root.
 * - `user_namespace`: root here (or a user without a name, which initdb refuses too), an ordinary named user
 *   to Postgres. The files stay ours, so a folder with mode 0700 works, and `unshare` execs: the pid that we
 *   start is the postmaster's.
 * - `other_user`: where user namespaces are forbidden (a container's usual seccomp rules). See other-user.ts.
 */
import { join } from 'node:path'
import process from 'node:process'
import type { Binaries } from './binaries.ts'
import { cannotRun } from './failure.ts'
import { hasCluster, type Layout } from './layout.ts'
import { existingHome, prepareOtherUser } from './other-user.ts'
import { hasName, namedUser } from './ownership.ts'
import { type Command, runTool, type ToolEnvironment, type ToolResult } from './run-tool.ts'

export type StrategyName = 'plain' | 'user_namespace' | 'other_user'

/** A way that was tried and works. */
export interface Strategy {
  readonly name: StrategyName
  /** Folder of `data` and `run`. */
  readonly home: string
  /** Who owns the cluster's files, as this process sees it. */
  readonly uid: number
  /** Major version of the programs, for example 18. */
  readonly major: string
  command(tool: 'initdb' | 'postgres', args: readonly string[]): Command
}

export interface StrategyOptions {
  readonly dataDir: string
  readonly layout: Layout
  readonly binaries: Binaries
  readonly env: ToolEnvironment
  /** Which ways to try, in this order. */
  readonly names: readonly StrategyName[]
}

type Way = Omit<Strategy, 'major'>

const PROBE_DEADLINE_MS = 10_000

export function defaultStrategies(): readonly StrategyName[] {
  return process.geteuid?.() === 0 ? ['user_namespace', 'other_user'] : ['plain', 'user_namespace']
}

/**
 * The first way that really runs `postgres --version`. A cluster that was made as another user stays so.
 * @throws EmbeddedPostgresError with every reason when no way works
 */
export async function chooseStrategy(options: StrategyOptions): Promise<Strategy> {
  const bound = existingHome(options.layout)
  const names = bound === undefined ? options.names : options.names.filter((name) => name === 'other_user')
  if (names.length === 0)
    throw cannotRun(`its files in ${bound} belong to another user, which only root can be`)
  const reasons: string[] = []
  for (const name of names) {
    const way = wayOf(name, options)
    const probe = await tryWay(way, options.env)
    if (probe.ok) return { ...way, major: majorOf(probe.output) }
    reasons.push(`${name}: ${probe.why}`)
  }
  throw cannotRun(`its programs do not run as this user here (${reasons.join('; ')})`)
}

async function tryWay(way: Way, env: ToolEnvironment): Promise<ToolResult> {
  const isNameless = way.name === 'plain' && !hasName() && !hasCluster(way.home)
  if (isNameless) return { ok: false, why: 'this user has no name in /etc/passwd, and initdb wants one' }
  return runTool(way.command('postgres', ['--version']), env, PROBE_DEADLINE_MS)
}

/** "postgres (PostgreSQL) 18.4" */
const majorOf = (version: string): string => /\) (\d+)/.exec(version)?.[1] ?? 'unknown'

function wayOf(name: StrategyName, options: StrategyOptions): Way {
  const home = options.layout.folder
  const bin = join(options.binaries.folder, 'bin')
  const uid = process.geteuid?.() ?? 0
  switch (name) {
    case 'plain':
      return { name, home, uid, command: (tool, args) => ({ file: join(bin, tool), args }) }
    case 'user_namespace':
      return { name, home, uid, command: (tool, args) => inUserNamespace(join(bin, tool), args) }
    case 'other_user': {
      const other = prepareOtherUser(options)
      const file = (tool: string): string => join(other.programs, 'bin', tool)
      const uidOf = (tool: string): number => (tool === 'initdb' ? other.makerUid : other.uid)
      const command: Way['command'] = (tool, args) => ({
        file: file(tool),
        args,
        uid: uidOf(tool),
        gid: other.uid,
      })
      return { name, home: other.home, uid: other.uid, command }
    }
  }
}

function inUserNamespace(file: string, args: readonly string[]): Command {
  // Only what Postgres sees: on disk and to the system it stays the user that we are.
  const seenAs = namedUser() ?? 1000
  const map = ['--user', `--map-user=${seenAs}`, `--map-group=${seenAs}`]
  return { file: 'unshare', args: [...map, '--', file, ...args] }
}
