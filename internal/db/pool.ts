/**
 * Connections to Postgres, every wait bounded: pg itself waits for ever for a connection, a statement, a lock
 * and a pool slot, and dies of an idle connection's error when nobody listens.
 */
import { Socket } from 'node:net'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { type Logger, withLogFields } from '../log.ts'
import { redactConnection } from './redact-connection.ts'
import type { Tables } from './tables.ts'

export const SCHEMA = 'agent_manager'

export type Connection =
  | { readonly kind: 'url'; readonly url: string }
  | {
      readonly kind: 'parts'
      readonly host: string
      readonly port: number
      readonly user: string
      readonly password: string
      readonly database: string
    }

export interface DatabaseOptions {
  readonly connection: Connection
  /** Connections at most (1-200). */
  readonly max: number
  readonly log: Logger
  /** Longest statement, ms; 0 none (migrations). Default 5000. */
  readonly statementTimeoutMs?: number
  /** How long after that the connection counts as dead, ms. Default 5000. */
  readonly answerMarginMs?: number
}

export interface Database {
  readonly db: Kysely<Tables>
  /** Connections in use and free, at most, and how many statements wait for one. */
  load(): { readonly inUse: number; readonly idle: number; readonly max: number; readonly waiting: number }
  /** Ends the pool; waits for what is running. Idempotent. */
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5000
const LOCK_TIMEOUT_MS = 2000
const IDLE_IN_TRANSACTION_MS = 10_000
/** A statement's answer that does not come although the server should have cancelled it: a dead connection. */
const ANSWER_MARGIN_MS = 5000
/** Unused connections go before they could be taken for dead ones. */
const IDLE_SHARE = 0.8
const IDLE_MS = 30_000

/** Opens a pool. Connects lazily; the first query finds out whether the server is there. */
export function openDatabase(options: DatabaseOptions): Database {
  const statementTimeout = options.statementTimeoutMs ?? 5000
  const silentMs =
    statementTimeout > 0 ? statementTimeout + (options.answerMarginMs ?? ANSWER_MARGIN_MS) : null
  const pool = new pg.Pool({
    ...connectionConfig(options.connection),
    application_name: 'agent-manager',
    max: options.max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: silentMs === null ? IDLE_MS : silentMs * IDLE_SHARE,
    keepAlive: true,
    statement_timeout: statementTimeout,
    ...(silentMs !== null && { query_timeout: silentMs }),
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    types: { getTypeParser },
  })
  // A connection is made for whoever needs it first, and breaks on nobody's behalf.
  const lost = (error: Error) =>
    withLogFields({}, () =>
      options.log.warn({ error: redactConnection(error.message) }, 'database connection lost'),
    )
  pool.on('error', lost)
  // The pool listens to idle clients only. One that is in use and breaks emits 'error' with nobody there, which
  // ends the process (seen: EPIPE after pg_terminate_backend); its queries get the error anyway.
  pool.on('connect', (client) => {
    client.on('error', lost)
    // pg gives up waiting for an answer and then uses the same connection again, so one whose other end is gone without
    // a word would fail every statement until TCP notices, a quarter of an hour later.
    if (silentMs !== null) endWhenSilent(client, silentMs)
  })
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }).withSchema(SCHEMA)
  let closing: Promise<void> | null = null
  return {
    db,
    load: () => ({
      inUse: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      max: options.max,
      waiting: pool.waitingCount,
    }),
    close: () => (closing ??= db.destroy()),
  }
}

/** Ends a connection on which nothing came or went for so long: statements are cancelled sooner, and idle ones are cheap. */
function endWhenSilent(client: pg.PoolClient, silentMs: number): void {
  const { stream } = client.connection
  if (stream instanceof Socket)
    stream.setTimeout(silentMs, () => stream.destroy(new Error('connection terminated: silent for too long')))
}

/** For pg, of a pool or of a single client. */
export function connectionConfig(connection: Connection): pg.ClientConfig {
  if (connection.kind === 'url') return { connectionString: connection.url }
  const { kind: _kind, ...parts } = connection
  return parts
}

/** bigint as number: counters stay far below 2^53. Everything else as pg does it. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
  if (oid === pg.types.builtins.INT8) return Number
  return pg.types.getTypeParser(oid, format === 'binary' ? 'text' : format)
}
