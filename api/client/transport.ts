/** One request over fetch: address, headers, deadline, retry, errors. */
import { ApiError, errorOf, UnreachableError } from './errors.ts'
import { MAX_ANSWER_BYTES, REQUEST_TIMEOUT_MS, type RetryLimits } from './limits.ts'
import { type Query, queryText } from './path.ts'
import { deadline } from './pause.ts'
import { readText } from './read-body.ts'
import { retrying } from './retry.ts'
import { newKey } from './unique.ts'

/** What every method takes besides its own arguments. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for one try. */
  readonly timeoutMs?: number | undefined
}

/** State-changing calls: the key that makes a repeated call the same call. */
export interface WriteOptions extends CallOptions {
  /** 1 to 500 bytes. Absent: the library makes one for this call, so that its own retries do nothing twice. */
  readonly idempotencyKey?: string | undefined
}

export interface Request extends WriteOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Query | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Statuses besides 2xx whose answer is an answer and no error. */
  readonly alsoOk?: readonly number[] | undefined
  /** A POST that changes nothing: tried again without a key. */
  readonly readOnly?: boolean | undefined
}

export interface TransportOptions {
  readonly baseUrl: string
  readonly fetch: typeof globalThis.fetch
  readonly token: string | null
  readonly retry: RetryLimits
}

export interface Tagged<T> {
  readonly value: T
  readonly etag: string | undefined
}

export class Transport {
  readonly baseUrl: string
  readonly #options: TransportOptions

  constructor(options: TransportOptions) {
    this.#options = options
    this.baseUrl = options.baseUrl
  }

  /** The JSON of the answer. Rejects with ApiError, UnreachableError, or the reason of the signal. */
  async json<T>(request: Request): Promise<T> {
    const text = await this.#tried(request, (response) => readText(response, MAX_ANSWER_BYTES))
    return JSON.parse(text === '' ? 'null' : text) // some answers say nothing
  }

  /** The JSON of the answer with its ETag: what an update names to overwrite nothing unseen. */
  tagged<T>(request: Request): Promise<Tagged<T>> {
    return this.#tried(request, async (response) => {
      const value: T = JSON.parse(await readText(response, MAX_ANSWER_BYTES))
      return { value, etag: response.headers.get('etag') ?? undefined }
    })
  }

  /** The answer's body as it comes; the deadline is for its beginning only. */
  stream(request: Request): Promise<Response> {
    return this.#tried(request, async (response) => response)
  }

  #tried<T>(request: Request, read: (response: Response) => Promise<T>): Promise<T> {
    const isPost = request.method === 'POST'
    const key = isPost && !request.readOnly ? (request.idempotencyKey ?? newKey()) : undefined
    const once = () => this.#once({ ...request, idempotencyKey: key }, read)
    const isSafe = request.method === 'GET' || isPost
    return isSafe ? retrying(once, this.#options.retry, request.signal) : once()
  }

  async #once<T>(request: Request, read: (response: Response) => Promise<T>): Promise<T> {
    const limit = deadline(request.timeoutMs ?? REQUEST_TIMEOUT_MS, request.signal)
    try {
      const response = await this.#options.fetch(
        `${this.baseUrl}${request.path}${queryText(request.query)}`,
        { method: request.method, signal: limit.signal, ...this.#content(request) },
      )
      if (!response.ok && !request.alsoOk?.includes(response.status)) {
        throw await errorOf(response, await readText(response, MAX_ANSWER_BYTES))
      }
      return await read(response)
    } catch (error) {
      if (error instanceof ApiError || error instanceof RangeError) throw error
      if (request.signal?.aborted) throw request.signal.reason
      throw new UnreachableError(this.baseUrl, limit.expired() ? 'no answer in time' : whyOf(error), error)
    } finally {
      limit.end()
    }
  }

  #content({ body, headers, idempotencyKey }: Request): RequestInit {
    const { token } = this.#options
    return {
      headers: {
        ...headers,
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }
  }
}

/** fetch says "fetch failed" and keeps the reason in its cause. */
function whyOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : ''
  return code || (inner instanceof Error ? inner.message : String(inner))
}
