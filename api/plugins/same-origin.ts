/**
 * Without keys, being on this machine is all the authority there is, and any page in a browser here is on it
 * too. So a request must name this machine as its host (else a name that a page's owner points at 127.0.0.1
 * would do), and one that comes from a page must come from our own.
 */
import type { FastifyInstance } from 'fastify'
import { AppError } from '../../internal/errors.ts'

export function addSameOrigin(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ headers }) => {
    const { host, origin } = headers
    if (host !== undefined && !isLoopback(host)) {
      throw new AppError(
        'POLICY_HOST_DENIED',
        'The Host header names another machine: call this service as localhost or 127.0.0.1.',
      )
    }
    if (origin !== undefined && URL.parse(origin)?.host !== host) {
      throw new AppError('POLICY_ORIGIN_DENIED', 'A page of another origin may not call this service.')
    }
  })
}

function isLoopback(host: string): boolean {
  const name = URL.parse(`http://${host}`)?.hostname ?? ''
  return name === 'localhost' || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)
}
