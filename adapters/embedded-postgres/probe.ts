/** Asks a postmaster whether it takes connections. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { messageOf } from '../../internal/errors.ts'

export interface Login {
  /** Folder of the socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}

export type Answer =
  | { readonly kind: 'ready' }
  /** Starting, stopping, full, or not listening yet. */
  | { readonly kind: 'wait'; readonly why: string; readonly isListening: boolean }
  /** Waiting will not help. */
  | { readonly kind: 'refused'; readonly why: string }

const CONNECT_DEADLINE_MS = 5000

export async function probe(login: Login): Promise<Answer> {
  try {
    await withClient(login, (client) => client.query('SELECT 1'))
    return { kind: 'ready' }
  } catch (error) {
    const code = codeOf(error)
    const why = messageOf(error)
    // Class 28: it knows neither this user nor this password. EACCES: the folder of the socket is closed to us.
    if (code.startsWith('28') || code === 'EACCES') return { kind: 'refused', why }
    return { kind: 'wait', why, isListening: code !== 'ENOENT' && code !== 'ECONNREFUSED' }
  }
}

/** The database that the service uses; `postgres` stays for maintenance. */
export async function ensureDatabase(login: Login, database: string): Promise<void> {
  await withClient(login, async (client) => {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`)
  })
}

const QUERY_DEADLINE_MS = 30_000
const GOODBYE_DEADLINE_MS = 1000

async function withClient(login: Login, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({
    ...login,
    database: 'postgres',
    ssl: false,
    connectionTimeoutMillis: CONNECT_DEADLINE_MS,
    query_timeout: QUERY_DEADLINE_MS,
  })
  client.on('error', () => undefined) // a connection that breaks later has no query of ours to fail
  try {
    await client.connect()
    await use(client)
  } finally {
    await Promise.race([client.end(), sleep(GOODBYE_DEADLINE_MS, undefined, { ref: false })])
    client.connection.stream.destroy() // a server that was frozen never says goodbye
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
