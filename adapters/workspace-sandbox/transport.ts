/**
 * One HTTP exchange with the service: an absolute deadline that also covers a body arriving drop by drop, and a
 * cap on the body counted while it is read.
 */
import { AppError } from '../../internal/errors.ts'

export interface Reply {
  readonly status: number
  readonly text: string
}

export interface Exchange {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below the base URL, for example `api/v1/sandboxes`. */
  readonly path: string
  readonly body?: unknown
  readonly timeoutMs: number
}

/**
 * `lost`: sent, but no whole answer came, so nobody knows whether it was done; `broke` when the connection
 * ended, not our patience. `unreached`: nothing arrived there.
 */
type Outcome =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'lost'; readonly error: AppError; readonly broke: boolean }
  | { readonly kind: 'unreached'; readonly error: AppError }

export type Transport = (exchange: Exchange) => Promise<Outcome>

export const MAX_BODY_BYTES = 64 * 1024 * 1024
/** Errors that come before a single byte of the request was taken by the other side. */
const UNREACHED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
])

export function createTransport(deps: {
  readonly baseUrl: () => string
  readonly token: () => string | null
  readonly maxBodyBytes?: number
}): Transport {
  const maxBytes = deps.maxBodyBytes ?? MAX_BODY_BYTES
  return async (exchange) => {
    const url = urlOf(deps.baseUrl(), exchange.path)
    if (url === null) {
      const detail = 'WORKSPACE_SANDBOX_URL is not an http(s) address without a user name and password'
      return { kind: 'unreached', error: new AppError('SANDBOX_UNAVAILABLE', detail) }
    }
    try {
      return { kind: 'reply', reply: await send(url, deps.token(), exchange, maxBytes) }
    } catch (error) {
      return failed(url, exchange, error)
    }
  }
}

function urlOf(base: string, path: string): URL | null {
  if (!URL.canParse(base)) return null
  const url = new URL(path, base.endsWith('/') ? base : `${base}/`)
  const plain = url.username === '' && url.password === ''
  return plain && (url.protocol === 'http:' || url.protocol === 'https:') ? url : null
}

async function send(url: URL, token: string | null, exchange: Exchange, maxBytes: number): Promise<Reply> {
  const response = await fetch(url, {
    method: exchange.method,
    headers: {
      accept: 'application/json',
      ...(exchange.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(exchange.body === undefined ? {} : { body: JSON.stringify(exchange.body) }),
    redirect: 'error',
    signal: AbortSignal.timeout(exchange.timeoutMs),
  })
  return { status: response.status, text: await readCapped(response, maxBytes) }
}

async function readCapped(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.byteLength
    // Leaving the loop cancels the stream and closes the connection.
    if (bytes > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function failed(url: URL, exchange: Exchange, error: unknown): Outcome {
  const code = codeOf(error)
  const where = `workspace-sandbox at ${url.origin} (WORKSPACE_SANDBOX_URL)`
  if (UNREACHED.has(code)) {
    return {
      kind: 'unreached',
      error: new AppError('SANDBOX_UNAVAILABLE', `${where} cannot be reached: ${code}`),
    }
  }
  const timedOut = isTimeout(error)
  const why = timedOut ? `no whole answer within ${exchange.timeoutMs} ms` : code || messageOf(error)
  const detail = `${where} broke off ${exchange.method} /${exchange.path}: ${why}`
  return { kind: 'lost', error: new AppError('SANDBOX_OPERATION', detail), broke: !timedOut && code !== '' }
}

const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === 'TimeoutError'

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** fetch hides the reason one or two causes deep; several addresses tried give an AggregateError. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return codeOf(error.cause)
}
