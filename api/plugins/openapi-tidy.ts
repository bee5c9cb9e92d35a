/** What the generators leave behind in an OpenAPI document and no reader needs. */
import { isObject } from '../dialect/keys.ts'

const REF = '#/components/schemas/'
/** The generator lists each named schema twice: as an answer, and with this suffix as a request. */
const REQUEST_SUFFIX = 'Input'
const UNDESCRIBED = 'Default Response'

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  200: 'Done.',
  201: 'Created.',
  202: 'Accepted: the intent is durable.',
  503: 'Not in a state to serve.',
}

/** A tidied copy; what is given stays as it is. */
export function tidy(document: object): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(document, withoutSafeIntegerBounds))
  dropUnreferenced(copy)
  for (const path of Object.values(at(copy, 'paths') ?? {})) {
    for (const operation of Object.values(isObject(path) ? path : {})) mendOperation(operation)
  }
  return renameRequestSchemas(copy)
}

/** zod bounds every integer by what JavaScript can count to; nobody needs to read that. */
const withoutSafeIntegerBounds = (key: string, value: unknown): unknown =>
  (key === 'minimum' || key === 'maximum') && Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER
    ? undefined
    : value

/** Most schemas are used as an answer or as a request, not as both. */
function dropUnreferenced(document: unknown): void {
  const schemas = at(at(document, 'components'), 'schemas')
  if (!isObject(schemas)) return
  const used = new Set<string>()
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) collect(item)
    if (!isObject(value)) return
    for (const item of Object.values(value)) collect(item)
    const name = schemaName(value['$ref'])
    if (name === null || used.has(name)) return
    used.add(name)
    collect(schemas[name])
  }
  collect(at(document, 'paths'))
  for (const name of Object.keys(schemas)) if (!used.has(name)) delete schemas[name]
}

const schemaName = (ref: unknown): string | null =>
  typeof ref === 'string' && ref.startsWith(REF) ? ref.slice(REF.length) : null

/** A body is required only where one of its members is. */
function mendOperation(operation: unknown): void {
  const body = at(operation, 'requestBody')
  if (isObject(body)) {
    const required = at(at(at(at(body, 'content'), 'application/json'), 'schema'), 'required')
    body['required'] = Array.isArray(required) && required.length > 0
  }
  for (const [status, response] of Object.entries(at(operation, 'responses') ?? {})) {
    if (status === '204' && isObject(response)) delete response['content']
    if (isObject(response) && response['description'] === UNDESCRIBED) {
      response['description'] = DESCRIPTIONS[status] ?? UNDESCRIBED
    }
  }
}

/** `NewTaskInput` is `NewTask` where nothing else has that name. */
function renameRequestSchemas(document: unknown): unknown {
  const names = Object.keys(at(at(document, 'components'), 'schemas') ?? {})
  const plain = (name: string): string => {
    const short = name.endsWith(REQUEST_SUFFIX) ? name.slice(0, -REQUEST_SUFFIX.length) : name
    return names.includes(short) ? name : short
  }
  return JSON.parse(JSON.stringify(document), (key, value: unknown) => {
    const ref = key === '$ref' ? schemaName(value) : null
    if (ref !== null) return REF + plain(ref)
    if (key !== 'schemas' || !isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, schema]) => [plain(name), schema]))
  })
}

const at = (value: unknown, key: string): unknown => (isObject(value) ? value[key] : undefined)
