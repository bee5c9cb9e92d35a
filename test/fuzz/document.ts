/** The API as its OpenAPI document tells it: operations, what they take, what they may answer. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

export type Schema = Readonly<Record<string, unknown>>

export interface Operation {
  readonly method: string
  /** `/api/v1/runs/{id}` */
  readonly path: string
  readonly query: readonly { readonly name: string; readonly schema: Schema }[]
  readonly body: Schema | null
  readonly answers: ReadonlyMap<number, Answer>
}

interface Answer {
  /** null: there is no body. */
  readonly type: string | null
  readonly schema: Schema | null
  /** Error codes that this status may carry. */
  readonly codes: readonly string[]
}

const object = z.record(z.string(), z.unknown())
const content = z.record(z.string(), z.looseObject({ schema: object.optional() }))
const operationSchema = z.looseObject({
  parameters: z.array(z.looseObject({ in: z.string(), name: z.string(), schema: object })).default([]),
  requestBody: z.looseObject({ content }).optional(),
  responses: z.record(z.string(), z.looseObject({ description: z.string(), content: content.optional() })),
})
const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({ schemas: object }),
})

const document = documentSchema.parse(
  JSON.parse(readFileSync(new URL('../../api/openapi.json', import.meta.url), 'utf8')),
)

/** Every operation of the document, in its order. */
export const OPERATIONS: readonly Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { parameters, requestBody, responses }]) => ({
    method: method.toUpperCase(),
    path,
    query: parameters.filter((one) => one.in === 'query'),
    body: requestBody?.content['application/json']?.schema ?? null,
    answers: new Map(
      Object.entries(responses).map(([status, { description, content: shape }]) => {
        const [type, media] = Object.entries(shape ?? {})[0] ?? [null, null]
        const codes = type === 'application/problem+json' ? description.split(', ') : []
        return [Number(status), { type, schema: media?.schema ?? null, codes }]
      }),
    ),
  })),
)

/** What a schema means: the one it refers to. */
export function resolved(schema: Schema): Schema {
  const ref = schema['$ref']
  if (typeof ref !== 'string') return schema
  return resolved(object.parse(document.components.schemas[ref.replace('#/components/schemas/', '')]))
}

/** Checks a value against a schema of the document. Compiled once each. */
export function fits(schema: Schema, value: unknown): string | null {
  const known = compiled.get(schema)
  const checker = known ?? z.fromJSONSchema(withDefinitions(schema))
  if (known === undefined) compiled.set(schema, checker)
  const result = checker.safeParse(value)
  return result.success ? null : z.prettifyError(result.error)
}

const compiled = new Map<Schema, z.ZodType>()

const withDefinitions = (schema: Schema) =>
  z
    .custom<Parameters<typeof z.fromJSONSchema>[0]>()
    .parse(
      JSON.parse(
        JSON.stringify({ ...schema, $defs: document.components.schemas }).replaceAll(
          '#/components/schemas/',
          '#/$defs/',
        ),
      ),
    )
