/** Why there is no embedded database. Both reasons are for a person to act on: the program exits with 69. */
import { messageOf } from '../../internal/errors.ts'

export type EmbeddedPostgresReason =
  /** Another living process owns the folder. */
  | 'in_use'
  /** This machine, user or folder cannot run it; the message names DATABASE_URL as the way out. */
  | 'cannot_run'

/** `message` is written for the operator: what is wrong, where, and what to do. It never holds the password. */
export class EmbeddedPostgresError extends Error {
  readonly reason: EmbeddedPostgresReason

  constructor(reason: EmbeddedPostgresReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EmbeddedPostgresError'
    this.reason = reason
  }
}

/** @param why what stands in the way, and where */
export function cannotRun(why: string, cause?: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'cannot_run',
    `The embedded Postgres cannot run: ${why.replace(/[.]$/, '')}. Mend that, or set DATABASE_URL to a Postgres of your own.`,
    cause,
  )
}

/** Anything thrown on the way up (a full disk, a folder of somebody else) as a failure of ours. */
export function asEmbeddedPostgresError(error: unknown): EmbeddedPostgresError {
  return error instanceof EmbeddedPostgresError ? error : cannotRun(messageOf(error), error)
}
