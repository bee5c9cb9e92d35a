/** What a database that cannot be used means for the start: an exit code and a sentence. */
import { SchemaError } from '../../internal/db/migrate.ts'
import { databaseFault } from '../../internal/db/pg-error.ts'
import { redactConnection } from '../../internal/db/redact-connection.ts'
import { messageOf } from '../../internal/errors.ts'
import { EXIT, StartError } from './exit.ts'

export function asStartError(error: unknown): unknown {
  if (error instanceof SchemaError) {
    const isServer = error.reason === 'old_server' || error.reason === 'unsafe'
    return new StartError(isServer ? EXIT.unavailable : EXIT.schema, error.message)
  }
  const fault = databaseFault(error)
  const why = redactConnection(messageOf(error))
  if (fault === 'unavailable' || fault === 'timeout') {
    return new StartError(
      EXIT.unavailable,
      `The database cannot be reached (${why}): check DATABASE_URL and that the server runs.`,
    )
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code.startsWith('28') || code.startsWith('3D') || code === '42501') {
    return new StartError(
      EXIT.unavailable,
      `The database refuses us (${why}): check user, password and database of DATABASE_URL and DATABASE_MIGRATION_URL.`,
    )
  }
  return error
}
