/**
 * Without keys, being on this machine is all the authority there is, and any page in a browser here is on it too. So
 * a request must name this machine as its host (else a name that a page's owner points at 127.0.0.1 would do), and
 * one that comes from a page must come from our own. Nothing is ever answered that lets other origins read.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../../internal/errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Shows something and changes nothing, so a link on a page elsewhere may lead to it. */
    readonly isPage?: true
  }
}

export function addSameOrigin(app: FastifyInstance): void {
  app.addHook('onRequest', async (request) => {
    const host = hostOf(request)
    if (!isLoopback(host)) {
      throw new AppError(
        'POLICY_HOST_DENIED',
        'The Host header names another machine: call this service as localhost, 127.0.0.1 or [::1].',
      )
    }
    const { origin } = request.headers
    const isForeign =
      origin === undefined ? isCrossSite(request) : URL.parse(origin)?.host !== canonical(host)
    if (isForeign)
      throw new AppError('POLICY_ORIGIN_DENIED', 'A page of another origin may not call this service.')
  })
}

/**
 * The one host the request names. A target with a host of its own must name the same: proxies and we would otherwise
 * see two. Node refuses HTTP/1.1 without Host by itself, and lets several pass.
 */
function hostOf({ raw, headers }: FastifyRequest): string {
  const { host } = headers
  if (host === undefined || hostLines(raw.rawHeaders) !== 1)
    throw new AppError('POLICY_HOST_DENIED', 'Send exactly one Host header: localhost, 127.0.0.1 or [::1].')
  const target = raw.url ?? ''
  if (target.startsWith('/') || target === '*') return host
  if (URL.parse(target)?.host !== canonical(host))
    throw new AppError('POLICY_HOST_DENIED', 'The request target names another host than the Host header.')
  return host
}

/** Names and values take turns. */
const hostLines = (rawHeaders: readonly string[]): number =>
  rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === 'host').length

/** Exactly these forms: a URL parser would also read a host out of "localhost/x", "x@localhost" or "0x7f.1". */
const LOOPBACK =
  /^(?:localhost|127(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}|\[::1\]|\[::ffff:(?:127(?:\.\d{1,3}){3}|7f[0-9a-f]{2}:[0-9a-f]{1,4})\])(?::\d{1,5})?$/i

const isLoopback = (host: string): boolean => LOOPBACK.test(host) && URL.canParse(`http://${host}`)

/** As the host of an origin is written: lower case, without the port that goes without saying. */
const canonical = (host: string): string | undefined => URL.parse(`http://${host}`)?.host

/**
 * Requests of pages that name no origin: images, scripts, links. A browser says so itself; a look has effects here
 * (who lists interactions counts as somebody who may answer), so only pages may be linked to.
 */
function isCrossSite({ headers, method, routeOptions }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return false
  const isLink =
    method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  return !(isLink && routeOptions.config.isPage)
}
