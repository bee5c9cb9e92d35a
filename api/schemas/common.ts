/** Shapes that several nouns share. */
import { z } from 'zod'
import { AppError, type ErrorCode } from '../../internal/errors.ts'

/** The pattern of zod says in 300 characters what the format says in one word. */
export const timeOut = (description: string) => z.iso.datetime().meta({ description, pattern: undefined })

export const idOut = z.uuid().meta({ pattern: undefined })

/** RFC 3339 in UTC. */
export const time = (date: Date): string => date.toISOString()
export const timeOrNull = (date: Date | null): string | null => date?.toISOString() ?? null

export const idParams = z.strictObject({
  id: z.string().meta({ description: 'A UUID; anything else is a 404.' }),
})

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The id in lower case. Throws the noun's 404 for what cannot be an id. */
export function idOr404(text: string, code: ErrorCode): string {
  if (UUID.test(text)) return text.toLowerCase()
  throw new AppError(code, `"${text.slice(0, 100)}" is not an id: ids are UUIDs.`)
}

/** An id to filter by: a wrong one is the caller's slip, not an empty list. */
export const idFilter = (description: string) =>
  z
    .string()
    .regex(UUID, 'must be a UUID')
    .transform((id) => id.toLowerCase())
    .optional()
    .meta({ description })

/** Ids in a body may repeat the one of the path. */
export const repeatedId = z.string().nullish().meta({ description: 'Optional; must be the id of the path.' })

/** Throws VALIDATION_CONFLICT where the body names another thing than the path. */
export function checkRepeatedId(id: string, repeated: string | null | undefined, field: string): void {
  if (!repeated || repeated.toLowerCase() === id) return
  throw new AppError('VALIDATION_CONFLICT', `${field} is not the id of the path; leave it out.`, {
    faults: [{ field, rule: 'conflict', message: 'is not the id of the path; leave it out' }],
  })
}

/** It ends up in a commit: no line of it may pass for another. */
export const actorIn = z
  .string()
  .max(255)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters; remove them')
  .nullish()
  .transform((actor) => actor || null)
  .meta({ description: 'Who asks: a name, or `Name <mail>`.' })

/** Who asks where the caller does not say. */
export const NOBODY = 'anonymous'

/** A body that says nothing but who asks. */
export const actorBody = z.strictObject({ run_id: repeatedId, actor: actorIn })

/** Routes without query parameters: any is unknown. */
export const noQuery = z.strictObject({})

/** The answer of a deletion. */
export const deletedAnswer = z.strictObject({ success: z.literal(true) })
