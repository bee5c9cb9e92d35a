/**
 * Asks the database over a connection of its own. The pool's open connections tell nothing about a server that takes
 * no new ones (a stopped postmaster, a full connection table), and waiting for one of them would measure our own load.
 */
import pg from 'pg'
import { type Connection, connectionConfig, SCHEMA } from './pool.ts'

export interface DatabaseState {
  /** A standby, or set to read-only: nothing can be written down. */
  readonly isReadOnly: boolean
  readonly activeRuns: number
  readonly pendingRuns: number
}

interface Row {
  readonly read_only: boolean
  readonly active: string
  readonly pending: string
}

/** Two partial indexes, runs_driven and runs_pending. */
const QUESTION = `
  SELECT current_setting('transaction_read_only') = 'on' AS read_only,
         (SELECT count(*) FROM ${SCHEMA}.runs WHERE status IN ('starting', 'running')) AS active,
         (SELECT count(*) FROM ${SCHEMA}.runs WHERE status = 'pending') AS pending`

/**
 * Connects, asks, hangs up; nothing of it is left after `deadlineMs` (ms), whatever the server does.
 * @throws the database's error, or one that says that the time is over
 */
export async function probeDatabase(connection: Connection, deadlineMs: number): Promise<DatabaseState> {
  const client = new pg.Client({
    ...connectionConfig(connection),
    application_name: 'agent-manager health',
    statement_timeout: deadlineMs,
  })
  const { promise: late, reject } = Promise.withResolvers<never>()
  client.on('error', reject) // a connection that breaks between two steps
  const timer = setTimeout(() => reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs)
  try {
    return await Promise.race([ask(client), late])
  } finally {
    clearTimeout(timer)
    // Not `end`: its farewell waits for a server that may never read it.
    client.connection.stream.destroy()
  }
}

async function ask(client: pg.Client): Promise<DatabaseState> {
  await client.connect()
  const { rows } = await client.query<Row>(QUESTION)
  const [row] = rows
  if (!row) throw new Error('the database answers without a row')
  return { isReadOnly: row.read_only, activeRuns: Number(row.active), pendingRuns: Number(row.pending) }
}
