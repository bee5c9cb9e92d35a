/** What goes wrong: the service said no, or nobody answered. */
import type { problemSchema } from '../schemas/problem.ts'
import type { Out } from './types.ts'

export type Problem = Out<typeof problemSchema>
type FieldFault = Problem['errors'][number]

/** The service answered with an error document. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** Stable, for example `STATE_TERMINAL`; `UNKNOWN` where something else than the service answered. */
  readonly code: string
  /** HTTP status; 0 where the error came over a WebSocket. */
  readonly status: number
  /** What to do: none, fix_input, wait, retry_immediate, retry_backoff, use_alternative, escalate. */
  readonly recovery: string
  /** The same request may succeed later. */
  readonly retryable: boolean
  /** Quote it when asking for help; null where there is none. */
  readonly requestId: string | null
  /** Faults of single fields. */
  readonly errors: readonly FieldFault[]
  /** Seconds to wait before the next try, where the service says so. */
  readonly retryAfter: number | null
  /** The whole document, with further members such as `conflicts`. */
  readonly problem: Readonly<Record<string, unknown>>

  constructor(
    status: number,
    problem: Readonly<Record<string, unknown>>,
    retryAfter: number | null = null,
    requestId: string | null = null,
  ) {
    super(text(problem['message']) ?? text(problem['detail']) ?? `the answer was HTTP ${status}`)
    this.code = text(problem['code']) ?? 'UNKNOWN'
    this.status = status
    this.recovery = text(problem['recovery']) ?? 'none'
    this.retryable = problem['retryable'] === true
    this.requestId = text(problem['request_id']) ?? requestId
    this.errors = faultsOf(problem['errors'])
    this.retryAfter = retryAfter
    this.problem = problem
  }
}

/** Nobody answered: the service is down, the address is wrong, or the answer took too long. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError'
  /** The address that was asked, without path and query. */
  readonly url: string

  constructor(url: string, why: string, cause?: unknown) {
    super(`${url} cannot be reached: ${why}`, cause === undefined ? undefined : { cause })
    this.url = url
  }
}

/** The error of an answer that is none of 2xx, whoever wrote it. */
export async function errorOf(response: Response, body: string): Promise<ApiError> {
  const requestId = response.headers.get('x-request-id')
  const retryAfter = secondsOf(response.headers.get('retry-after'))
  return new ApiError(response.status, objectIn(body), retryAfter, requestId)
}

function objectIn(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body)
    return isObject(value) ? value : {}
  } catch {
    return {} // a proxy's page: the status is all it says
  }
}

/** `Retry-After` as seconds from now: a number, or a date (RFC 9110, 10.2.3). */
export function secondsOf(header: string | null, now = Date.now()): number | null {
  if (header === null) return null
  if (/^\d+$/.test(header.trim())) return Number(header)
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, (date - now) / 1000)
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)

function faultsOf(value: unknown): readonly FieldFault[] {
  if (!Array.isArray(value)) return []
  return value.filter(isObject).map((fault) => ({
    field: text(fault['field']) ?? '',
    rule: text(fault['rule']) ?? '',
    message: text(fault['message']) ?? '',
  }))
}
