/** What a database failure means for the caller; one table over SQLSTATE and socket errors. */
import { AppError } from '../errors.ts'

export type DatabaseFault =
  | 'unique_violation'
  | 'serialization'
  | 'unavailable'
  | 'read_only'
  | 'timeout'
  | 'disk_full'
  | 'bad_data'
  | 'refused'
  | 'unknown'

const BY_CODE: Readonly<Record<string, DatabaseFault>> = {
  '23505': 'unique_violation',
  '40001': 'serialization',
  '40P01': 'serialization',
  '55P03': 'serialization',
  '57014': 'timeout',
  '25006': 'read_only',
  '53100': 'disk_full',
  '53200': 'disk_full',
  '53300': 'unavailable',
  '57P01': 'unavailable',
  '57P02': 'unavailable',
  '57P03': 'unavailable',
  '25P03': 'unavailable',
  '23514': 'refused',
  '42501': 'refused',
  ECONNRESET: 'unavailable',
  ECONNREFUSED: 'unavailable',
  ENOENT: 'unavailable',
  ENOTFOUND: 'unavailable',
  EPIPE: 'unavailable',
  ETIMEDOUT: 'unavailable',
  EAI_AGAIN: 'unavailable',
  EHOSTUNREACH: 'unavailable',
}

/** What pg says without a code when a connection ends or does not come about. */
const LOST =
  /connection terminated|timeout exceeded when trying to connect|client has encountered a connection error|connection error and is not queryable|query read timeout|cannot use a pool after/i

/** Classes of failures; `unknown` for anything that is not the database's. */
export function databaseFault(error: unknown): DatabaseFault {
  if (!(error instanceof Error)) return 'unknown'
  if (error instanceof AggregateError) return databaseFault(error.errors[0])
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const known = BY_CODE[code]
  if (known) return known
  if (code.startsWith('08')) return 'unavailable'
  if (code.startsWith('22')) return 'bad_data'
  return LOST.test(error.message) ? 'unavailable' : 'unknown'
}

/** The constraint a unique violation names, or null. */
export function violatedConstraint(error: unknown): string | null {
  if (databaseFault(error) !== 'unique_violation') return null
  return error instanceof Error && 'constraint' in error && typeof error.constraint === 'string'
    ? error.constraint
    : null
}

/** Worth another try: the server is away, busy, or chose us as the victim. */
export function isTransient(error: unknown): boolean {
  const fault = databaseFault(error)
  return fault === 'unavailable' || fault === 'serialization' || fault === 'timeout' || fault === 'read_only'
}

/** Turns "the database is away" into an error for callers; anything else passes through unchanged. */
export function asAppError(error: unknown): unknown {
  if (error instanceof AppError || !isTransient(error)) return error
  return new AppError(
    'DATABASE_CONNECTION',
    'The database does not answer; nothing was changed. Try again.',
    {
      cause: error,
    },
  )
}
