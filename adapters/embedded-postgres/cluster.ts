/** Makes the cluster (Postgres' word for a data folder) once. */
import {
  closeSync,
  fsyncSync,
  lchownSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { cannotRun } from './failure.ts'
import { clusterOf } from './layout.ts'
import { giveTree } from './ownership.ts'
import { runTool, type ToolEnvironment } from './run-tool.ts'
import type { Strategy } from './strategy.ts'

/** The one role that the cluster is born with, a superuser. */
export const OWNER = 'agent_manager_owner'

const INITDB_DEADLINE_MS = 120_000

// The builtin provider sorts alike on every machine and after every upgrade of the system's libraries.
const SETTINGS = [
  ...['--username', OWNER, '--auth=scram-sha-256', '--encoding=UTF8'],
  ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', '--no-instructions'],
]

/**
 * Made under another name and renamed, so that a crash leaves nothing half made under the real one.
 * Call it with the lock held.
 * @throws EmbeddedPostgresError with the last line that initdb said
 */
export async function createCluster(
  strategy: Strategy,
  env: ToolEnvironment,
  password: string,
): Promise<void> {
  const { home, uid } = strategy
  const half = join(home, 'data.new')
  const passwordFile = join(home, 'initdb-password')
  rmSync(half, { recursive: true, force: true })
  rmSync(passwordFile, { force: true })
  try {
    const command = strategy.command('initdb', ['--pgdata', half, '--pwfile', passwordFile, ...SETTINGS])
    mkdirSync(half, { mode: 0o700 })
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' })
    if (command.uid !== undefined) for (const path of [half, passwordFile]) lchownSync(path, command.uid, uid)
    const result = await runTool(command, env, INITDB_DEADLINE_MS)
    if (!result.ok) throw cannotRun(`initdb failed in ${home}: ${result.why}`)
  } finally {
    rmSync(passwordFile, { force: true })
  }
  if (uid !== process.geteuid?.()) giveTree(half, uid)
  renameSync(half, clusterOf(home))
  syncFolder(home)
}

/** @throws EmbeddedPostgresError when the cluster is of another major version than the programs */
export function refuseOtherMajor(strategy: Strategy): void {
  const data = clusterOf(strategy.home)
  const made = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
  if (made === strategy.major) return
  throw cannotRun(`${data} was made by Postgres ${made} and the programs here are of ${strategy.major}`)
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
