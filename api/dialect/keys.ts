/**
 * Member names on the way in: snake_case or lowerCamelCase for members the schema knows; everything below an
 * open map (`z.record`, `z.unknown`) is the caller's own and stays as it is.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

/** What a walk over a body or a query found besides the value. */
export interface KeyFindings {
  /** Paths, in the caller's spelling, that the schema does not know. */
  readonly unknown: string[]
  /** Pairs of spellings of one member with different values. */
  readonly conflicts: { readonly field: string; readonly other: string }[]
  /** Canonical path -> the caller's name of its last member, where the two differ. */
  readonly spelling: Map<string, string>
}

type JsonObject = Record<string, unknown>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const camelCase = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

const namesCache = new WeakMap<object, ReadonlyMap<string, string>>()

/** Every accepted spelling of the members of an object schema -> its name in the schema. */
function namesOf(shape: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  const known = namesCache.get(shape)
  if (known) return known
  const names = new Map<string, string>()
  for (const name of Object.keys(shape)) names.set(name, name).set(camelCase(name), name)
  namesCache.set(shape, names)
  return names
}

/** The schema that says which members there are: without optional, nullable, default and conversions. */
function unwrap(schema: unknown): unknown {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodReadonly
  ) {
    return unwrap(schema.def.innerType)
  }
  if (schema instanceof z.ZodPipe) {
    return unwrap(schema.def.in instanceof z.ZodTransform ? schema.def.out : schema.def.in)
  }
  return schema
}

export const pathOf = (parent: string, name: string): string => (parent === '' ? name : `${parent}.${name}`)

/** The value with the member names of the schema. Unknown members are left out and reported. */
export function canonicalKeys(schema: z.ZodType, value: unknown): { value: unknown; found: KeyFindings } {
  const found: KeyFindings = { unknown: [], conflicts: [], spelling: new Map() }
  return { value: walk(schema, value, { own: '', theirs: '' }, found), found }
}

/** The same place in our names and in the caller's. */
interface Place {
  readonly own: string
  readonly theirs: string
}

function walk(schema: unknown, value: unknown, place: Place, found: KeyFindings): unknown {
  const inner = unwrap(schema)
  if (inner instanceof z.ZodObject && isObject(value)) return walkObject(inner.shape, value, place, found)
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item, index) => {
      const at = { own: `${place.own}[${index}]`, theirs: `${place.theirs}[${index}]` }
      return walk(inner.def.element, item, at, found)
    })
  }
  return value
}

function walkObject(
  shape: Readonly<Record<string, unknown>>,
  value: JsonObject,
  place: Place,
  found: KeyFindings,
): JsonObject {
  const names = namesOf(shape)
  const seen = new Map<string, { spelled: string; raw: unknown }>()
  const result: JsonObject = {}
  for (const [spelled, raw] of Object.entries(value)) {
    const name = names.get(spelled)
    const theirs = pathOf(place.theirs, spelled)
    if (name === undefined) {
      found.unknown.push(theirs)
      continue
    }
    const before = seen.get(name)
    if (before && !isDeepStrictEqual(before.raw, raw)) {
      found.conflicts.push({ field: pathOf(place.theirs, before.spelled), other: theirs })
      continue
    }
    seen.set(name, { spelled, raw })
    const own = pathOf(place.own, name)
    if (name !== spelled) found.spelling.set(own, spelled)
    result[name] = walk(shape[name], raw, { own, theirs }, found)
  }
  return result
}
