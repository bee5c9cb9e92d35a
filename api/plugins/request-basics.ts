/** What every request gets: an id, no caching, headers that keep browsers narrow, a bound on its URL, and a clear no while the service stops. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../../internal/errors.ts'
import { MAX_URL_BYTES } from '../limits.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Asks how the service is: always answered, never limited, hardly logged. */
    readonly isProbe?: true
  }
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/

/** The caller's X-Request-ID where it is fit to be repeated, else a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

/** What a browser may make of an answer: nothing but what it says, nowhere but here. */
const GUARDS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const

export function addRequestBasics(app: FastifyInstance): void {
  let stopping = false
  app.addHook('preClose', async () => {
    stopping = true
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...GUARDS, 'x-request-id': request.id, 'cache-control': 'no-store' })
    // Who asks how we are gets an answer to the last.
    if (stopping && !request.routeOptions.config.isProbe)
      throw new AppError('DRAINING', 'The service is stopping; send the request again.')
    if (request.url.length > MAX_URL_BYTES) {
      throw new AppError('HEADERS_TOO_LARGE', `The URL is longer than ${MAX_URL_BYTES} bytes; shorten it.`)
    }
  })
}
