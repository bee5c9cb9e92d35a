/** ETag and If-Match (RFC 9110, 8.8.3 and 13.1.1): the revision of a thing that can be updated. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { IfMatch } from '../../internal/revision.ts'

const MAX_IF_MATCH = 1000

export const ifMatchHeaders = z.looseObject({
  'if-match': z.string().max(MAX_IF_MATCH).optional().meta({
    description:
      'The ETag that the answer was read with: a thing that was changed since then is left alone, 412.',
  }),
})

export const etagOf = ({ revision }: { readonly revision: number }): string => `"${revision}"`

const TAGS = /^\s*(?:W\/)?"[^"]*"\s*(?:,\s*(?:W\/)?"[^"]*"\s*)*$/

/** The revisions the caller means. A weak tag matches nothing here, and so does one that is not ours. */
export function ifMatchFrom(headers: z.output<typeof ifMatchHeaders>): IfMatch {
  const text = headers['if-match']?.trim()
  if (text === undefined || text === '*') return null
  if (!TAGS.test(text)) {
    const message = 'must be an ETag in quotes, a list of them, or *'
    throw new AppError('VALIDATION_FIELD', `If-Match: ${message}.`, {
      faults: [{ field: 'If-Match', rule: 'format', message }],
    })
  }
  return [...text.matchAll(/(W\/)?"([^"]*)"/g)].flatMap(([, weak, tag]) =>
    weak === undefined && tag !== undefined && /^[1-9]\d{0,9}$/.test(tag) ? [Number(tag)] : [],
  )
}
