/** Keyset pages: a page starts after the last row of the one before, so writes in between move nothing. */
import { AppError } from './errors.ts'

export interface PageRequest {
  readonly size: number
  /** The last row of the page before, as `next` gave it. */
  readonly after: string | null
  readonly offset: number
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly total: number
  readonly totalExact: boolean
  /** null: this was the last page. */
  readonly next: string | null
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** @throws VALIDATION_FIELD for a token that no page can have given: tokens are ids of rows */
export function checkToken({ after }: Pick<PageRequest, 'after'>): void {
  if (after === null || UUID.test(after)) return
  const message = 'page_token is not one that this service gave: send next_page_token of the page before.'
  throw new AppError('VALIDATION_FIELD', message, {
    faults: [{ field: 'page_token', rule: 'format', message }],
  })
}
