/** Sends requests to a service, one after the other, and holds every answer to the document. */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import { fits, type Operation } from './document.ts'
import type { FuzzRequest } from './requests.ts'
import { Made } from './values.ts'

/** An answer takes this long at most, but for a probe. */
const TIMEOUT_MS = 20_000

const LONGEST_HEAD = 8000

/** Codes that come before any operation is reached. */
const BEFORE_ROUTES = [
  'POLICY_HOST_DENIED',
  'POLICY_ORIGIN_DENIED',
  'HEADERS_TOO_LARGE',
  'NOT_FOUND_ROUTE',
  'METHOD_NOT_ALLOWED',
]
/** The only answer of 5xx that is none of a fault: what the document says is not built. */
const NOT_IMPLEMENTED = 501

export interface Fault {
  readonly index: number
  readonly what: string
  readonly request: string
  readonly answer: string
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

const problem = z.looseObject({ status: z.int(), code: z.string() })
const madeAnswer = z.object({
  task: z.object({ id: z.string() }).optional(),
  run: z.object({ id: z.string() }).optional(),
  profile: z.object({ id: z.string() }).optional(),
})

export class Driver {
  readonly faults: Fault[] = []
  /** How often each status came. */
  readonly statuses = new Map<number, number>()
  /** Operations that have answered with 2xx. */
  readonly succeeded = new Set<string>()
  /** Faults that were told: the next one of the same kind says no more. */
  readonly #told = new Set<string>()
  readonly #url: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #made: Record<Made['kind'], string[]>
  /** How many of each were there before. */
  readonly #lived: Record<Made['kind'], number>

  constructor(url: string, made: Record<Made['kind'], readonly string[]>) {
    this.#url = new URL(url)
    this.#made = {
      task: [...made.task],
      run: [...made.run],
      profile: [...made.profile],
      project: [...made.project],
    }
    this.#lived = {
      task: made.task.length,
      run: made.run.length,
      profile: made.profile.length,
      project: made.project.length,
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  async send(index: number, wanted: FuzzRequest): Promise<void> {
    const whole = this.#path(wanted)
    // Where headers are too large nobody knows the method, so a HEAD is refused with a body: it is not tried.
    const path = wanted.method === 'HEAD' ? whole.slice(0, LONGEST_HEAD) : whole
    const body = this.#body(wanted)
    const shown = `${wanted.method} ${path} ${JSON.stringify(wanted.headers)} ${body.toString().slice(0, 1000)}`
    const fault = (what: string, answer: string): void => {
      const key = `${wanted.operation.method} ${wanted.operation.path} ${what.replaceAll(/[0-9a-f-]{36}/g, '')}`
      if (this.#told.has(key)) return
      this.#told.add(key)
      this.faults.push({ index, what, request: shown.slice(0, 2000), answer: answer.slice(0, 1000) })
    }
    let answer: Answer
    try {
      answer = await this.#exchange(wanted, path, body)
    } catch (error) {
      fault(`no answer: ${String(error)}`, '')
      return
    }
    this.statuses.set(answer.status, (this.statuses.get(answer.status) ?? 0) + 1)
    const what = faultOf(wanted, answer)
    if (what !== null) fault(what, `${answer.status} ${answer.text}`)
    this.#remember(wanted.operation, answer)
  }

  #path({ operation, places, query }: FuzzRequest): string {
    let at = 0
    const path = operation.path.replaceAll(/\{\w+\}/g, () => encoded(this.#text(places[at++] ?? '')))
    const pairs = query.flatMap(([name, value]) =>
      [value].flat().map((one) => `${encoded(name)}=${encoded(this.#text(one))}`),
    )
    return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
  }

  #body({ body }: FuzzRequest): Buffer {
    if (body.kind === 'none') return Buffer.alloc(0)
    if (body.kind === 'raw') return body.bytes
    const text = JSON.stringify(body.value, (_, member: unknown) =>
      member instanceof Made ? this.#text(member) : member,
    )
    return Buffer.from(text ?? '')
  }

  /** What a value is in a request. */
  #text(value: unknown): string {
    if (!(value instanceof Made)) return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
    const known = this.#made[value.kind]
    // Every other time one of the few that have been through something.
    const among = value.pick % 2 === 0 ? this.#lived[value.kind] : known.length
    return known[Math.floor(value.pick / 2) % among] ?? ''
  }

  #exchange({ method, headers }: FuzzRequest, path: string, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#url
      const length = body.length > 0 ? { 'content-length': String(body.length) } : {}
      const request = httpRequest(
        {
          hostname,
          port,
          method,
          path,
          headers: { ...headers, ...length },
          agent: this.#agent,
          timeout: TIMEOUT_MS,
        },
        (response) => {
          // A stream has no end to wait for: that it began is its answer.
          if (response.headers['content-type']?.startsWith('text/event-stream')) {
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text: '' })
            response.destroy()
            return
          }
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text: Buffer.concat(chunks).toString(),
            }),
          )
        },
      )
      request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
      request.on('error', reject)
      request.end(body)
    })
  }

  #remember(operation: Operation, { status, text }: Answer): void {
    if (status >= 300) return
    this.succeeded.add(`${operation.method} ${operation.path}`)
    if (status !== 201) return
    const { task, run, profile } = madeAnswer.parse(JSON.parse(text))
    if (task) this.#made.task.push(task.id)
    else if (run) this.#made.run.push(run.id)
    else if (profile) this.#made.profile.push(profile.id)
  }
}

/** Percent-encoded byte by byte; what is encoded already, rightly or not, stays. */
const encoded = (text: string): string =>
  text.startsWith('%')
    ? text.replaceAll(/[^\x21-\x7e]/g, '')
    : [...Buffer.from(text)]
        .map((byte) => {
          const letter = String.fromCharCode(byte)
          return /[A-Za-z0-9._~-]/.test(letter) ? letter : `%${byte.toString(16).padStart(2, '0')}`
        })
        .join('')

/** What is wrong with an answer; null: nothing. */
function faultOf({ method, operation, places }: FuzzRequest, answer: Answer): string | null {
  const { status, headers, text } = answer
  if (!headers['x-request-id']) return 'no X-Request-ID'
  const type = headers['content-type']?.split(';')[0] ?? null
  const body = type !== null && /[/+]json$/.test(type) ? parsed(text) : text
  const said = type === 'application/problem+json' ? problem.safeParse(body).data : undefined
  if (status >= 400 && method !== 'HEAD' && said === undefined && !operation.answers.has(status))
    return 'an error without its document'
  if (said && said.status !== status) return `the document says ${said.status}`
  if (status >= 500 && status !== NOT_IMPLEMENTED && !isHealth(operation)) return 'a server error'
  const isOther = method !== operation.method || places.includes('')
  if (isOther || (said && BEFORE_ROUTES.includes(said.code))) return null
  const documented = operation.answers.get(status)
  if (documented === undefined) return `the status ${status} is not documented`
  if (said && !documented.codes.includes(said.code)) return `${said.code} is not documented for ${status}`
  if (documented.type !== null && documented.type !== type)
    return `the content type ${type} is not documented`
  return documented.schema === null ? null : fits(documented.schema, body)
}

/** They tell the state of the service, which has no engine at work here. */
const isHealth = ({ path }: Operation): boolean => path.endsWith('/health') || path === '/readyz'

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
