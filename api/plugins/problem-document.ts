/** From anything thrown to an error document (RFC 9457) and its headers. */
import { AppError, type ErrorCode } from '../../internal/errors.ts'

const RETRY_AFTER_S = 5

export interface ProblemDocument {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The error as a caller may see it. What is neither an AppError nor a 4xx of fastify says INTERNAL. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const { code, statusCode, message } = fastifyFacts(error)
  const known = FASTIFY_ERRORS.get(code)
  if (known) return new AppError(known.code, known.detail, { cause: error })
  if (statusCode < 500) {
    // Only fastify's own words are fit to be repeated; the rest are bodies that broke off.
    const detail = code.startsWith('FST_') ? message : 'The request was cut off.'
    return new AppError('VALIDATION_FORMAT', detail, { cause: error })
  }
  return new AppError('INTERNAL', 'Something went wrong here; quote the request id when asking for help.', {
    cause: error,
  })
}

const FASTIFY_ERRORS: ReadonlyMap<string, { code: ErrorCode; detail: string }> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', { code: 'PAYLOAD_TOO_LARGE', detail: 'The body is too large; send less.' }],
  [
    'FST_ERR_CTP_INVALID_MEDIA_TYPE',
    {
      code: 'UNSUPPORTED_MEDIA_TYPE',
      detail: 'Send the body as JSON with content-type: application/json.',
    },
  ],
  [
    'FST_ERR_BAD_URL',
    { code: 'VALIDATION_FORMAT', detail: 'The path is not a valid URL; mend its % escapes.' },
  ],
])

/** What fastify's errors carry, read with care: the thrown thing may be anything. */
function fastifyFacts(error: unknown): { code: string; statusCode: number; message: string } {
  if (!(error instanceof Error)) return { code: '', statusCode: 500, message: '' }
  return {
    code: 'code' in error && typeof error.code === 'string' ? error.code : '',
    statusCode: 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500,
    message: error.message,
  }
}

export function problemDocument(error: AppError, requestId: string): ProblemDocument {
  const { kind, code } = error
  const retryAfter = retryAfterOf(error)
  const document = {
    ...error.extra,
    type: `urn:agent-manager:error:${code.toLowerCase()}`,
    title: kind.title,
    status: kind.status,
    detail: error.message,
    instance: `urn:agent-manager:request:${requestId}`,
    code,
    message: error.message,
    user_message: `${kind.title}.`,
    recovery: kind.recovery,
    retryable: kind.retryable,
    request_id: requestId,
    errors: error.faults,
  }
  return {
    status: kind.status,
    headers: {
      'x-retryable': String(kind.retryable),
      ...(retryAfter !== null && { 'retry-after': String(retryAfter) }),
    },
    body: JSON.stringify(document),
  }
}

/** Seconds until the same request is worth another try; null: the header says nothing. */
function retryAfterOf({ code, kind }: AppError): number | null {
  if (code === 'STATE_IDEMPOTENCY_IN_FLIGHT' || code === 'CAPACITY_REQUESTS') return 1
  return kind.recovery === 'retry_backoff' ? RETRY_AFTER_S : null
}
