/** One running postmaster: ours as a child, or adopted from a service that was killed. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { clusterOf, PORT } from './layout.ts'
import { removeStaleFiles } from './pid-file.ts'
import { isAlive, type ProcessMark } from './process-table.ts'
import type { ToolEnvironment } from './run-tool.ts'
import type { Strategy } from './strategy.ts'

export interface Postmaster {
  readonly pid: number
  /** Settles once, with how it ended in words. Never rejects. */
  readonly ended: Promise<string>
  hasEnded(): boolean
  /** Does nothing when it has ended. */
  signal(name: 'SIGINT' | 'SIGQUIT'): void
}

export interface LaunchOptions {
  readonly strategy: Strategy
  readonly sockets: string
  readonly log: string
  readonly env: ToolEnvironment
}

const POLL_MS = 100

/**
 * Starts it in a session of its own, so that the terminal's Ctrl-C reaches the service alone.
 * @throws when the program cannot be started at all
 */
export function launchPostmaster(options: LaunchOptions): Promise<Postmaster> {
  const { strategy, sockets } = options
  const data = clusterOf(strategy.home)
  removeStaleFiles(data, sockets)
  const { file, args, ...user } = strategy.command('postgres', ['-D', data, ...settings(sockets)])
  const log = openSync(options.log, 'a', 0o600)
  const child = spawn(file, args, {
    ...user,
    env: { ...options.env },
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log) // the child has its own
  child.unref() // the service's life does not hang on it
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  return new Promise((resolve, reject) => {
    child.on('error', reject) // after the start it can only be a signal that came too late
    child.once('spawn', () => {
      resolve({ pid: child.pid ?? 0, ended, hasEnded, signal: (name) => void child.kill(name) })
    })
  })
}

/** @param mark of a process that is known to be the postmaster */
export function adoptPostmaster(mark: ProcessMark): Postmaster {
  const hasEnded = (): boolean => !isAlive(mark)
  const ended = new Promise<string>((resolve) => {
    const timer = setInterval(() => {
      if (!hasEnded()) return
      clearInterval(timer)
      resolve('gone (it was not our child, so how is unknown)')
    }, POLL_MS)
    timer.unref()
  })
  return {
    pid: mark.pid,
    ended,
    hasEnded,
    signal: (name) => {
      if (!hasEnded()) process.kill(mark.pid, name)
    },
  }
}

const FAST_STOP_MS = 30_000
/** Postgres itself kills its children with SIGKILL five seconds after SIGQUIT. */
const IMMEDIATE_STOP_MS = 10_000

/**
 * Fast shutdown (open transactions are rolled back), then immediate shutdown (the next start recovers).
 * @returns false when it lives on even so
 */
export async function stopPostmaster(postmaster: Postmaster): Promise<boolean> {
  postmaster.signal('SIGINT')
  if (await endsWithin(postmaster, FAST_STOP_MS)) return true
  postmaster.signal('SIGQUIT')
  return endsWithin(postmaster, IMMEDIATE_STOP_MS)
}

async function endsWithin(postmaster: Postmaster, ms: number): Promise<boolean> {
  const deadline = new AbortController()
  const late = sleep(ms, undefined, { signal: deadline.signal }).catch(() => undefined) // aborted: not needed
  await Promise.race([postmaster.ended, late])
  deadline.abort()
  return postmaster.hasEnded()
}

/** Given at every start instead of written into the cluster, so that an upgrade of ours changes them. */
function settings(sockets: string): string[] {
  const values = {
    // A socket only: an agent whose view hides this folder cannot even try a password.
    listen_addresses: '',
    port: String(PORT),
    unix_socket_directories: sockets,
    unix_socket_permissions: '0700',
    max_connections: '100',
    shared_buffers: '128MB',
    max_wal_size: '256MB', // default 1 GB: the folder of an idle service should stay small
    // Nothing replicates from this database and pg_dump needs no WAL, so write the least that recovery needs.
    wal_level: 'minimal',
    max_wal_senders: '0',
    max_logical_replication_workers: '0',
    // Else a query of a service that was killed runs on, and would keep a new postmaster from starting.
    client_connection_check_interval: '1s',
    fsync: 'on',
    synchronous_commit: 'on',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_min_messages: 'warning',
    log_checkpoints: 'off',
    // The client is told of its mistakes; their text does not belong in a second place.
    log_min_error_statement: 'panic',
  }
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}
