/** Values for the schemas of requests: most fit or nearly fit, some are what nobody should send. */
import fc from 'fast-check'
import { resolved, type Schema } from './document.ts'

/** A place in a request where the id of a thing that was made stands; `pick` chooses which. */
export class Made {
  readonly kind: 'task' | 'run' | 'profile' | 'project'
  readonly pick: number

  constructor(kind: Made['kind'], pick: number) {
    this.kind = kind
    this.pick = pick
  }
}

const made = (kind: Made['kind']): fc.Arbitrary<Made> => fc.nat(1000).map((pick) => new Made(kind, pick))

/** Members that have to be true for a request to get far. */
const BY_NAME: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  task_id: made('task'),
  agent_profile_id: made('profile'),
  profile_id: made('profile'),
  run_id: made('run'),
  project_root: fc.oneof(
    { weight: 8, arbitrary: made('project') },
    {
      weight: 1,
      arbitrary: fc.constantFrom('/', '/nowhere', 'relative', '/etc/passwd', '/proc', '/\u{1f600}'),
    },
  ),
  scope_path: fc.constantFrom('.', 'src', 'not/there', '../..', '/', 'a/../b', 'ü', ' '),
  profile_key: fc.constantFrom('k1', 'k2', 'k3', 'ключ'),
  name: fc.constantFrom('n1', 'n2', 'n3', '名'),
  tag: fc.constantFrom('t1', 't2', 'a%b_c', '\u{1f41f}'),
  runner_type: fc.constantFrom('claude-code', 'RUNNER_TYPE_CLAUDE_CODE', 'opencode', 'codex', ''),
  timeout: fc.constantFrom('1800s', '1h30m', 90, '59s', '25h', '-1s', '1e9s', ''),
  idle_timeout: fc.constantFrom('600s', 0, '1s'),
  interaction_timeout: fc.constantFrom('5m', '0s', '1000h'),
  allowed_tools: fc.uniqueArray(fc.constantFrom('Read', 'Bash', 'mcp:x', 'Nobody', 'Bash(git:*)'), {
    maxLength: 3,
  }),
  // A long poll is not what is tried here.
  wait: fc.constantFrom('0', '0s', '0.1', '-1', 'x'),
  page_token: fc.constantFrom('', 'x', 'bm9uZQ', '!!!'),
}

/** Texts that break things: bounds of encodings, of parsers, of other languages. */
export const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.constantFrom(
    '',
    '\0',
    'a\0b',
    '\ud800',
    '\u202e',
    'null',
    '__proto__',
    'constructor',
    "'; DROP TABLE runs; --",
    '%00',
    '../../etc/passwd',
    '$(id)',
    '\n\r',
    '0x10',
    '1e999',
    'x'.repeat(300),
    'é'.repeat(70_000),
  ),
)

const oddNumber = fc.oneof(
  fc.constantFrom(0, -1, 1.5, 1e308, -1e308, 2 ** 31, 2 ** 53, 2 ** 63, Number.MIN_VALUE),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)

/** Anything that JSON can say, nested deep at times. */
export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  oddText,
  oddNumber,
  fc.constantFrom(null, true, false, [], {}, [[]], { a: null }),
  fc.jsonValue({ maxDepth: 4 }),
  fc.nat(60).map((depth) => {
    let value: unknown = 'bottom'
    for (let level = 0; level < depth; level += 1) value = level % 2 ? [value] : { deep: value }
    return value
  }),
)

const text = (schema: Schema): fc.Arbitrary<unknown> => {
  const max = Number(schema['maxLength'] ?? 200)
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.string({ minLength: Number(schema['minLength'] ?? 0), maxLength: Math.min(max, 40) }),
    },
    { weight: 1, arbitrary: fc.constant('y'.repeat(Math.min(max, 100_000) + 1)) },
    { weight: 1, arbitrary: oddText },
  )
}

const whole = (schema: Schema): fc.Arbitrary<unknown> => {
  const min = Number(schema['minimum'] ?? 0)
  const max = Number(schema['maximum'] ?? 10_000)
  return fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: Math.max(min, -(2 ** 31)), max: Math.min(max, 2 ** 31) }) },
    { weight: 1, arbitrary: fc.constantFrom(min - 1, max + 1) },
  )
}

/** Values that mostly fit. @param name of the member that the value is for */
export function valueFor(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  const known = BY_NAME[name]
  const fitting = known ?? plain(resolved(schema), name)
  return fc.oneof({ weight: 30, arbitrary: fitting }, { weight: 1, arbitrary: oddValue })
}

function plain(schema: Schema, name: string): fc.Arbitrary<unknown> {
  const choices = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(choices)) return fc.oneof(...choices.map((one: Schema) => valueFor(one, name)))
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...schema['enum'])
  if ('const' in schema) return fc.constant(schema['const'])
  const types = [schema['type']].flat()
  return fc.oneof(...types.map((type) => ofType(schema, type, name)))
}

function ofType(schema: Schema, type: unknown, name: string): fc.Arbitrary<unknown> {
  switch (type) {
    case 'string':
      return text(schema)
    case 'integer':
    case 'number':
      return whole(schema)
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(valueFor(schemaOf(schema['items']), name), { maxLength: 4 })
    case 'object':
      return members(schema)
    default:
      return oddValue
  }
}

function members(schema: Schema): fc.Arbitrary<unknown> {
  const properties = schemaOf(schema['properties'])
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const entries = Object.entries(properties).map(([name, one]) => {
    const value = valueFor(schemaOf(one), name)
    // A request with every member set is refused for one of them: most are left out.
    const isOften = required.includes(name) || Object.hasOwn(BY_NAME, name)
    const kept = isOften ? value : fc.option(value, { nil: undefined, freq: 1 })
    return [
      name,
      isOften && !required.includes(name) ? fc.option(value, { nil: undefined, freq: 2 }) : kept,
    ] as const
  })
  const base = fc.record(Object.fromEntries(entries)).map(given)
  const more = schema['additionalProperties']
  if (typeof more !== 'object' || more === null) return base
  return fc
    .tuple(base, fc.dictionary(fc.string({ maxLength: 10 }), valueFor(schemaOf(more)), { maxKeys: 3 }))
    .map(([own, others]) => ({ ...others, ...own }))
}

const given = (value: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined))

const schemaOf = (value: unknown): Schema =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
