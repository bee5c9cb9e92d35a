/** Building blocks of request schemas: texts, numbers in query strings, durations. Unset is null. */
import { z } from 'zod'
import { formatDuration, parseDuration } from '../../internal/duration.ts'

const bytes = (text: string): number => Buffer.byteLength(text)

/** A text of at most `max` characters; "" and null mean unset. */
export const textIn = (max: number, description: string) =>
  z
    .preprocess((value) => (value === '' ? null : value), z.string().max(max).nullish())
    .transform((value) => value ?? null)
    .meta({ description })

/** A text of at most `max` bytes in UTF-8; null means unset. */
export const longTextIn = (max: number, description: string) =>
  z
    .string()
    .refine((text) => bytes(text) <= max, {
      params: { rule: 'max_bytes' },
      error: `must have at most ${max} bytes; shorten it`,
    })
    .nullish()
    .transform((value) => value ?? null)
    .meta({ description: `${description} At most ${max / 1024} KiB.` })

/** A text that must be there. */
export const requiredTextIn = (max: number, description: string) =>
  z.string().min(1, 'must not be empty').max(max).meta({ description })

/** A text that must be there, of at most `max` bytes in UTF-8. */
export const requiredLongTextIn = (max: number, description: string) =>
  z
    .string()
    .min(1, 'must not be empty')
    .refine((text) => bytes(text) <= max, {
      params: { rule: 'max_bytes' },
      error: `must have at most ${max} bytes; shorten it`,
    })
    .meta({ description: `${description} At most ${max / 1024} KiB.` })

/** One of a few words of ours; "" and null mean unset. */
export const wordIn = <const V extends readonly string[]>(values: V, description: string) =>
  z
    .preprocess(
      (value) => (value === '' ? null : value),
      z.enum(values, { error: `must be one of ${values.join(', ')}` }).nullish(),
    )
    .transform((value) => value ?? null)
    .meta({ description })

export const flagIn = (description: string) =>
  z
    .boolean()
    .nullish()
    .transform((value) => value ?? null)
    .meta({ description })

const FLAGS: Readonly<Record<string, boolean>> = {
  true: true,
  '1': true,
  false: false,
  '0': false,
  '': false,
}

/** Yes or no in a query string; absent is no. */
export const flagQuery = (description: string) =>
  z
    .preprocess(
      (value) => (typeof value === 'string' && Object.hasOwn(FLAGS, value) ? FLAGS[value] : value),
      z.boolean('must be true or false').optional(),
    )
    .transform((value) => value ?? false)
    .meta({ description })

/** A whole number in a query string. */
export const numberQuery = (min: number, max: number, description: string) =>
  z
    .preprocess(
      (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
      z.int(`must be a whole number from ${min} to ${max}`).min(min).max(max).optional(),
    )
    .meta({ description })

/** `"90s"`, `"1h30m"`, `"1.5s"`, or a number of seconds; milliseconds inside. */
export const durationIn = (minMs: number, maxMs: number, description: string) => {
  const range = `from "${formatDuration(minMs)}" to "${formatDuration(maxMs)}"`
  const fault = `must be a duration ${range}, written like "1800s" or "1h30m", or a number of seconds`
  return z
    .preprocess(toMs, z.number(fault).min(minMs, fault).max(maxMs, fault).nullish())
    .transform((value) => value ?? null)
    .meta({
      description: `${description} A duration ${range}: "1800s", "1h30m", or a number of seconds.`,
      type: ['string', 'number', 'null'],
      anyOf: undefined,
    })
}

function toMs(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 1000)
  if (typeof value === 'string') return value === '' ? null : (parseDuration(value) ?? value)
  return value
}

/** A member of an answer that a client may send back: accepted and ignored. */
export const outputOnly = (description: string) =>
  z
    .unknown()
    .optional()
    .meta({ description: `${description} Set by the service; ignored in requests.`, readOnly: true })
