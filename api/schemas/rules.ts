/** Lists of tools and of paths that settings allow or deny. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import { knownTool } from '../../internal/runner/tools.ts'
import { MAX_GLOB, MAX_RULES } from '../limits.ts'

/** An empty list says nothing, as everywhere. */
const listIn = <T extends z.ZodType>(item: T, max: number, description: string) =>
  z
    .array(item)
    .max(max, `must have at most ${max} entries; send fewer`)
    .nullish()
    .transform((items) => (items && items.length > 0 ? items : null))
    .meta({ description })

const PRINTABLE = /^\P{Cc}*$/u
const NO_CONTROLS = 'must not contain control characters; remove them'

export const toolsIn = (description: string) =>
  listIn(
    z.string().min(1, 'must not be empty; name a tool').max(255).regex(PRINTABLE, NO_CONTROLS),
    MAX_RULES,
    description,
  )

/** A rule that can never match would be a rule that nobody keeps, so what is no relative path is refused. */
const globIn = z
  .string()
  .min(1, 'must not be empty; name a path')
  .max(MAX_GLOB)
  .regex(PRINTABLE, NO_CONTROLS)
  .refine((glob) => !glob.startsWith('/'), {
    params: { rule: 'glob' },
    error: 'must not start with "/"; write it from the project root, like src/**',
  })
  .refine((glob) => !glob.split('/').includes('..'), {
    params: { rule: 'glob' },
    error: 'must not contain ".." segments; write it from the project root, like src/**',
  })
  .refine((glob) => glob.startsWith('/') || !glob.split('/').some((part) => part === '' || part === '.'), {
    params: { rule: 'glob' },
    error: 'must not contain "." or empty segments; everything below a folder is folder/**',
  })

export const globsIn = (description: string) => listIn(globIn, MAX_RULES, description)

interface Rules {
  readonly allowed_tools: readonly string[] | null
  readonly denied_tools: readonly string[] | null
  readonly allowed_paths: readonly string[] | null
  readonly denied_paths: readonly string[] | null
}

/** Throws VALIDATION_CONFLICT for a tool, under any of its names, or a path that is both allowed and denied. */
export function checkDisjoint(rules: Rules, path: string): void {
  const sameTool = (rule: string): string => knownTool(rule) ?? rule
  refuseBoth(rules.allowed_tools, rules.denied_tools, `${path}.denied_tools`, 'allowed_tools', sameTool)
  refuseBoth(rules.allowed_paths, rules.denied_paths, `${path}.denied_paths`, 'allowed_paths', (glob) => glob)
}

function refuseBoth(
  allowed: readonly string[] | null,
  denied: readonly string[] | null,
  field: string,
  other: string,
  nameOf: (rule: string) => string,
): void {
  const names = new Set(allowed?.map(nameOf))
  const both = denied?.find((rule) => names.has(nameOf(rule)))
  if (both === undefined) return
  const message = `has ${JSON.stringify(both)}, which ${other} allows; take it out of one of the two`
  throw new AppError('VALIDATION_CONFLICT', `${field}: ${message}.`, {
    faults: [{ field, rule: 'conflict', message }],
  })
}
