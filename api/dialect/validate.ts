/**
 * Where the wire meets a schema: texts, then names, then zod. The faults name fields in the caller's own
 * spelling and say what to do.
 */
import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { AppError, type FieldFault } from '../../internal/errors.ts'
import { MAX_FAULTS } from '../limits.ts'
import { canonicalKeys, isObject, type KeyFindings, pathOf } from './keys.ts'
import { checkTexts } from './texts.ts'

/** The value as the schema gives it. Throws AppError with every fault that was found. */
export function decode<S extends z.ZodType>(schema: S, input: unknown, where: string): z.output<S> {
  checkTexts(input)
  if (!isObject(input)) throw new AppError('VALIDATION_FORMAT', `The ${where} must be a JSON object.`)
  const { value, found } = canonicalKeys(schema, input)
  refuseUnknown(found, where)
  refuseConflicts(found)
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  throw faultsOf(result.error.issues, found)
}

/** For fastify: validates one part of a request; a missing body or query counts as an empty object. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  if (httpPart === 'headers') return (input) => plain(schema, input)
  if (httpPart === 'params') {
    return (input) =>
      orError(() => {
        checkTexts(input)
        return plain(schema, input)
      })
  }
  const where = httpPart === 'querystring' ? 'query' : 'body'
  return (input) => orError(() => ({ value: decode(schema, input ?? {}, where) }))
}

/** What a caller got wrong is a value for fastify; the rest is a bug. */
function orError<T>(check: () => T): T | { readonly error: AppError } {
  try {
    return check()
  } catch (error) {
    if (error instanceof AppError) return { error }
    throw error
  }
}

/** Headers and path parameters have one spelling and unknown headers are nobody's business. */
function plain(schema: z.ZodType, input: unknown) {
  const result = schema.safeParse(input, { reportInput: true })
  if (result.success) return { value: result.data }
  return { error: faultsOf(result.error.issues, { unknown: [], conflicts: [], spelling: new Map() }) }
}

function refuseUnknown({ unknown }: KeyFindings, where: string): void {
  if (unknown.length === 0) return
  const shown = unknown.slice(0, MAX_FAULTS)
  throw new AppError(
    'VALIDATION_UNKNOWN_FIELD',
    `Unknown ${where === 'query' ? 'query parameter' : 'field'} ${shown.join(', ')}; remove it or mend its name.`,
    { faults: shown.map((field) => ({ field, rule: 'unknown', message: 'is not known here; remove it' })) },
  )
}

function refuseConflicts({ conflicts }: KeyFindings): void {
  if (conflicts.length === 0) return
  const pairs = conflicts.map(({ field, other }) => `${field} and ${other}`).join(', ')
  throw new AppError('VALIDATION_CONFLICT', `${pairs} say different things; send one of the two.`, {
    faults: conflicts.map(({ field, other }) => ({
      field,
      rule: 'conflict',
      message: `differs from ${other}; send one of the two`,
    })),
  })
}

type Issue = z.core.$ZodIssue

function faultsOf(issues: readonly Issue[], found: KeyFindings): AppError {
  const faults = issues
    .slice(0, MAX_FAULTS)
    .map((issue) => ({ field: spelled(issue.path, found), ...ruleOf(issue) }))
  const notYet = faults.filter((fault) => fault.rule === 'not_implemented')
  // A field that is not built yet matters only where nothing else is wrong with the request.
  if (notYet.length === faults.length)
    return new AppError('NOT_IMPLEMENTED', sentence(notYet), { faults: notYet })
  return new AppError('VALIDATION_FIELD', sentence(faults), { faults })
}

function sentence(faults: readonly FieldFault[]): string {
  const [first] = faults
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more, see errors)` : ''
  return `${first?.field || 'The request'}: ${first?.message ?? 'is not acceptable'}${more}.`
}

/** The path of an issue in the caller's spelling. */
function spelled(path: readonly PropertyKey[], { spelling }: KeyFindings): string {
  let own = ''
  let theirs = ''
  for (const step of path) {
    if (typeof step === 'number') {
      own += `[${step}]`
      theirs += `[${step}]`
      continue
    }
    own = pathOf(own, String(step))
    theirs = pathOf(theirs, spelling.get(own) ?? String(step))
  }
  return theirs
}

const RULES: Readonly<Partial<Record<Issue['code'], string>>> = {
  too_small: 'min',
  too_big: 'max',
  invalid_value: 'enum',
  invalid_format: 'format',
}

function ruleOf(issue: Issue): { rule: string; message: string } {
  if (issue.input === undefined && MISSING.has(issue.code))
    return { rule: 'required', message: 'is required; add it' }
  if (issue.code === 'invalid_type') return { rule: 'type', message: issue.message }
  if (issue.code !== 'custom') return { rule: RULES[issue.code] ?? issue.code, message: issue.message }
  const rule: unknown = issue.params?.['rule']
  return { rule: typeof rule === 'string' ? rule : 'custom', message: issue.message }
}

/** Issues that an absent member raises. */
const MISSING: ReadonlySet<string> = new Set(['invalid_type', 'invalid_value'])
