/**
 * Every error a caller can meet, in one table: its HTTP status, a stable title, and what to do about it.
 * Codes are the original service's UPPER_SNAKE taxonomy, extended; they are append-only.
 */
export type Recovery =
  | 'none'
  | 'fix_input'
  | 'wait'
  | 'retry_immediate'
  | 'retry_backoff'
  | 'use_alternative'
  | 'escalate'

export interface ErrorKind {
  readonly status: number
  readonly title: string
  readonly recovery: Recovery
  readonly retryable: boolean
}

const kind = (status: number, title: string, recovery: Recovery, retryable = false): ErrorKind => ({
  status,
  title,
  recovery,
  retryable,
})

export const ERRORS = {
  VALIDATION_FORMAT: kind(400, 'The request is malformed', 'fix_input'),
  VALIDATION_FIELD: kind(400, 'A field is not acceptable', 'fix_input'),
  VALIDATION_UNKNOWN_FIELD: kind(400, 'The request names a field that does not exist', 'fix_input'),
  VALIDATION_CONFLICT: kind(400, 'Two fields contradict each other', 'fix_input'),
  AUTHENTICATION_OFF: kind(400, 'This service asks for no authentication', 'none'),
  POLICY_HOST_DENIED: kind(403, 'The Host is not this service', 'fix_input'),
  POLICY_ORIGIN_DENIED: kind(403, 'The origin may not call this service', 'escalate'),
  POLICY_AGENT_CALLER: kind(403, 'An agent may not decide about runs', 'escalate'),
  POLICY_SANDBOX_REQUIRED: kind(403, 'This may only run in a sandbox', 'escalate'),
  NOT_FOUND_ROUTE: kind(404, 'No such route', 'fix_input'),
  NOT_FOUND_PROFILE: kind(404, 'No such profile', 'fix_input'),
  NOT_FOUND_PROFILE_VERSION: kind(404, 'No such version of the profile', 'fix_input'),
  NOT_FOUND_TASK: kind(404, 'No such task', 'fix_input'),
  NOT_FOUND_RUN: kind(404, 'No such run', 'fix_input'),
  NOT_FOUND_INPUT: kind(404, 'No such input', 'fix_input'),
  NOT_FOUND_INTERACTION: kind(404, 'No such interaction', 'fix_input'),
  NOT_FOUND_TOOL: kind(404, 'No such tool', 'fix_input'),
  NOT_FOUND_ARTIFACT: kind(404, 'No such artifact', 'fix_input'),
  NOT_FOUND_RUNNER: kind(404, 'No such runner', 'fix_input'),
  METHOD_NOT_ALLOWED: kind(405, 'The route does not take this method', 'fix_input'),
  REQUEST_TIMEOUT: kind(408, 'The request took too long to arrive', 'retry_immediate', true),
  CONFLICT_DUPLICATE: kind(409, 'A thing of this name exists already', 'fix_input'),
  STATE_TRANSITION_INVALID: kind(409, 'Not possible in the present state', 'wait', true),
  STATE_TERMINAL: kind(409, 'It is finished', 'none'),
  STATE_DIFF_CHANGED: kind(409, 'The diff is not the one that was reviewed', 'fix_input'),
  STATE_INPUT_DELIVERED: kind(409, 'The input was handed over or cancelled', 'none'),
  STATE_INTERACTION_CLOSED: kind(409, 'The interaction is closed', 'none'),
  STATE_NO_DIFF: kind(409, 'The run has no diff', 'none'),
  STATE_CONFLICT: kind(409, 'The project has moved on', 'fix_input'),
  STATE_PROJECT_DIRTY: kind(409, 'The project is not in a state to commit to', 'fix_input'),
  STATE_PROFILE_ARCHIVED: kind(409, 'The profile is archived', 'use_alternative'),
  STATE_IDEMPOTENCY_IN_FLIGHT: kind(409, 'The first request with this key is still running', 'wait', true),
  PRECONDITION_FAILED: kind(412, 'It was changed since it was read', 'fix_input'),
  PAYLOAD_TOO_LARGE: kind(413, 'The request is too large', 'fix_input'),
  UNSUPPORTED_MEDIA_TYPE: kind(415, 'The content type is not understood', 'fix_input'),
  RANGE_NOT_SATISFIABLE: kind(416, 'The range lies outside of the content', 'fix_input'),
  IDEMPOTENCY_MISMATCH: kind(422, 'The key was used with another body', 'fix_input'),
  VALIDATION_PROJECT_ROOT: kind(422, 'The project root cannot be used', 'fix_input'),
  VALIDATION_SCOPE: kind(422, 'The scope cannot be used', 'fix_input'),
  SANDBOX_GIT_LAYOUT: kind(422, 'The git layout cannot be kept apart from the sandbox', 'use_alternative'),
  SANDBOX_CAPABILITY: kind(422, 'The sandbox service cannot land these changes', 'use_alternative'),
  RUNNER_UNAVAILABLE: kind(422, 'The runner cannot be used here', 'use_alternative'),
  RUNNER_CAPABILITY: kind(422, 'The runner cannot do what the profile demands', 'use_alternative'),
  RATE_LIMITED: kind(429, 'Too many requests', 'wait', true),
  HEADERS_TOO_LARGE: kind(431, 'The request headers are too large', 'fix_input'),
  INTERNAL: kind(500, 'Something went wrong here', 'escalate'),
  SUBSCRIPTION_TOO_WIDE: kind(422, 'Too many runs for one connection', 'fix_input'),
  NOT_IMPLEMENTED: kind(501, 'Not built yet', 'use_alternative'),
  SANDBOX_OPERATION: kind(502, 'The sandbox service failed', 'retry_backoff', true),
  SANDBOX_UNAVAILABLE: kind(503, 'The sandbox service cannot be reached', 'retry_backoff', true),
  DATABASE_CONNECTION: kind(503, 'The database cannot be reached', 'retry_backoff', true),
  CAPACITY_REQUESTS: kind(503, 'Too many requests at once', 'retry_backoff', true),
  CAPACITY_CONNECTIONS: kind(503, 'Too many connections', 'retry_backoff', true),
  DRAINING: kind(503, 'The service is stopping', 'retry_backoff', true),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERRORS

export interface FieldFault {
  readonly field: string
  readonly rule: string
  readonly message: string
}

/**
 * A failure with a stable code. `detail` is one sentence for the caller: it names the field and the fix,
 * and never holds a secret. Throw it for the caller's mistakes and for broken neighbours; expected outcomes
 * are values, not errors.
 */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly faults: readonly FieldFault[]
  /** Extra members of the problem document, for example the conflicting paths. */
  readonly extra: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    detail: string,
    more: { faults?: readonly FieldFault[]; extra?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'AppError'
    this.code = code
    this.faults = more.faults ?? []
    this.extra = more.extra ?? {}
  }

  get kind(): ErrorKind {
    return ERRORS[this.code]
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
