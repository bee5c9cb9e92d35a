/** The Range header (RFC 9110, section 14): one range of bytes; several at once are answered with the whole. */
import { AppError } from '../internal/errors.ts'

export interface ByteRange {
  /** First and last byte, both included. */
  readonly first: number
  readonly last: number
}

const RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/

/**
 * Null: the whole is meant.
 * @throws RANGE_NOT_SATISFIABLE where nothing of it lies in the content
 */
export function byteRange(header: string | undefined, size: number): ByteRange | null {
  const match = header === undefined ? null : RANGE.exec(header.trim().replaceAll(' ', ''))
  if (match === null) return null
  const [, from = '', to = ''] = match
  if (from === '' && to === '') return null
  if (from !== '' && to !== '' && Number(to) < Number(from)) return null
  const first = from === '' ? Math.max(size - Number(to), 0) : Number(from)
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (first > last) {
    throw new AppError(
      'RANGE_NOT_SATISFIABLE',
      `Range: the content has ${size} bytes; ask for some of them.`,
      {
        extra: { size },
      },
    )
  }
  return { first, last }
}
