/** Whole requests, as bytes: operations of the document with values for them, bent in one or two ways. */
import fc from 'fast-check'
import { OPERATIONS, type Operation } from './document.ts'
import { Made, oddText, oddValue, valueFor } from './values.ts'

export interface FuzzRequest {
  readonly operation: Operation
  readonly method: string
  /** Values for the places of the path, in order. */
  readonly places: readonly (string | Made)[]
  readonly query: readonly (readonly [name: string, value: unknown])[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: { readonly kind: 'none' } | { readonly kind: 'json'; readonly value: unknown } | RawBody
}

interface RawBody {
  readonly kind: 'raw'
  readonly bytes: Buffer
}

/** Kinds of things that stand in paths. */
const KIND_OF: readonly (readonly [RegExp, Made['kind']])[] = [
  [/^\/api\/v1\/runs/, 'run'],
  [/^\/api\/v1\/tasks/, 'task'],
  [/^\/api\/v1\/profiles/, 'profile'],
]

const UUID = fc.uuid({ version: 7 })

function place(operation: Operation, name: string): fc.Arbitrary<string | Made> {
  const odd = fc.oneof(
    UUID,
    oddText.map((text) => text.slice(0, 500)),
  )
  if (name === 'runner_type') {
    // A probe starts a program: a few are enough.
    return fc.oneof(
      { weight: 60, arbitrary: odd },
      { weight: 1, arbitrary: fc.constantFrom('claude-code', 'codex', '3') },
    )
  }
  if (name === 'name') return fc.oneof(fc.constantFrom('stop_agent', 'get_agent_diff'), odd)
  const kind = KIND_OF.find(([pattern]) => pattern.test(operation.path))?.[1]
  if (kind === undefined || name !== 'id') return odd
  // What has been through something is spared, else soon nothing would be left to ask for.
  const known = fc.nat(1000).map((pick) => new Made(kind, isEnding(operation) ? pick * 2 + 1 : pick))
  return fc.oneof({ weight: 12, arbitrary: known }, { weight: 1, arbitrary: odd })
}

const oddHeaders: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 20, arbitrary: fc.constant({}) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Record<string, string>>(
      { 'idempotency-key': 'key-1' },
      { 'idempotency-key': 'x'.repeat(501) },
      { 'idempotency-key': '' },
      { 'x-request-id': 'mine' },
      { 'x-request-id': 'not mine\t!' },
      { 'if-match': '"1"' },
      { 'if-match': '*' },
      { accept: 'text/html' },
      { origin: 'https://elsewhere.example' },
      { host: 'elsewhere.example' },
      { 'content-encoding': 'gzip' },
    ),
  },
)

/** Content types that a JSON body may claim. */
const contentType = fc.oneof(
  { weight: 25, arbitrary: fc.constant('application/json') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'application/json; charset=utf-8',
      'application/json; charset=latin1',
      'application/vnd.api+json',
      'text/plain',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
      '',
      'json',
      'application/json; =',
    ),
  },
)

const rawBytes = fc
  .oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(
        '{',
        '{"a":1',
        '[]',
        'null',
        '"text"',
        '1e999',
        '{"a":1,"a":2}',
        '\ufeff{}',
        ' ',
        '{"__proto__":{"x":1}}',
        `${'['.repeat(5000)}${']'.repeat(5000)}`,
        `{${Array.from({ length: 1500 }, (_, index) => `"k${index}":1`).join(',')}}`,
        JSON.stringify({ task: { title: 'x'.repeat(3_000_000) } }),
        '\0',
        'Infinity',
        '{"a":NaN}',
      )
      .map((text) => Buffer.from(text)),
  )
  .map((bytes): RawBody => ({ kind: 'raw', bytes }))

/** Changes one member somewhere in a value: another one, none, a foreign one, the other spelling. */
function bent(value: unknown): fc.Arbitrary<unknown> {
  if (Array.isArray(value) || typeof value !== 'object' || value === null || value instanceof Made)
    return oddValue
  const entries = Object.entries(value)
  const foreign = fc
    .tuple(fc.oneof(oddText, fc.constantFrom('run_id', 'id', 'unknown_field')), oddValue)
    .map(([name, more]) => ({ ...value, [name]: more }))
  if (entries.length === 0) return foreign
  return fc.oneof(
    foreign,
    fc
      .constantFrom(...entries)
      .chain(([name, member]) => bent(member).map((other) => ({ ...value, [name]: other }))),
    fc
      .constantFrom(...entries)
      .map(([name]) => Object.fromEntries(entries.filter(([other]) => other !== name))),
    fc.constant(Object.fromEntries(entries.map(([name, member]) => [camel(name), member]))),
    fc.constantFrom(...entries).map(([name, member]) => ({ ...value, [camel(name)]: member })),
  )
}

const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

function bodyOf({ body }: Operation): fc.Arbitrary<FuzzRequest['body']> {
  if (body === null)
    return fc.oneof(
      { weight: 15, arbitrary: fc.constant({ kind: 'none' } as const) },
      { weight: 1, arbitrary: rawBytes },
    )
  const fitting = valueFor(body)
  return fc.oneof(
    { weight: 12, arbitrary: fitting.map((value) => ({ kind: 'json', value }) as const) },
    { weight: 5, arbitrary: fitting.chain(bent).map((value) => ({ kind: 'json', value }) as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'none' } as const) },
    { weight: 1, arbitrary: rawBytes },
  )
}

function queryOf({ query }: Operation): fc.Arbitrary<FuzzRequest['query']> {
  const one = fc.oneof(
    ...query.map(({ name, schema }) => fc.tuple(fc.constantFrom(name, camel(name)), valueFor(schema, name))),
    fc.tuple(fc.constantFrom('unknown', '__proto__', 'a[]', ''), oddText),
  )
  if (query.length === 0)
    return fc.oneof(
      { weight: 20, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(one, { maxLength: 2 }) },
    )
  return fc.array(one, { maxLength: 3 })
}

const requestFor = (operation: Operation): fc.Arbitrary<FuzzRequest> =>
  fc.record({
    operation: fc.constant(operation),
    method: fc.oneof(
      { weight: 40, arbitrary: fc.constant(operation.method) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('PUT', 'PATCH', 'DELETE', 'POST', 'HEAD', 'OPTIONS', 'PROPFIND'),
      },
    ),
    places: fc.tuple(
      ...[...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => place(operation, name ?? '')),
    ),
    query: queryOf(operation),
    headers: fc.tuple(oddHeaders, contentType).map(([odd, type]) => ({ 'content-type': type, ...odd })),
    body: bodyOf(operation),
  })

const isEnding = ({ method, path }: Operation): boolean =>
  method === 'DELETE' || /\/(cancel|archive)$/.test(path)

/** What makes things comes more often, and what ends them more seldom: the rest needs them. */
const MAKING: Readonly<Record<string, number>> = {
  'POST /api/v1/tasks': 12,
  'POST /api/v1/profiles': 12,
  'POST /api/v1/runs': 24,
}

export const anyRequest: fc.Arbitrary<FuzzRequest> = fc.oneof(
  ...OPERATIONS.map((operation) => ({
    weight: MAKING[`${operation.method} ${operation.path}`] ?? (isEnding(operation) ? 1 : 4),
    arbitrary: requestFor(operation),
  })),
)
