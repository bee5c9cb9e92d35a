/** Changes that somebody makes on what they read before: lost where somebody else was faster, never lost silently. */
import { AppError } from './errors.ts'

/** The revisions that a change may be made on; null: on any. */
export type IfMatch = readonly number[] | null

/** @throws PRECONDITION_FAILED where the thing has another revision */
export function checkRevision(what: string, revision: number, ifMatch: IfMatch): void {
  if (ifMatch === null || ifMatch.includes(revision)) return
  throw new AppError(
    'PRECONDITION_FAILED',
    `${what} was changed since it was read: If-Match names another ETag than "${revision}". Read it again.`,
    { extra: { etag: `"${revision}"` } },
  )
}
