/**
 * Says no while it still can: what is being served at once is bounded in number and in bytes of bodies, so a wave of
 * requests behind a slow database costs 503s and not the process. Probes are always let in; streams have limits of
 * their own.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../../internal/errors.ts'
import type { ApiDeps } from '../deps.ts'
import { MAX_CONNECTIONS } from '../limits.ts'

export function addOverload(app: FastifyInstance, deps: Pick<ApiDeps, 'limits' | 'metrics'>): void {
  const { limits, metrics } = deps
  let requests = 0
  let bytes = 0
  app.addHook('onRequest', async (request, reply) => {
    const { isProbe, isStream } = request.routeOptions.config
    if (isProbe || isStream) return
    const body = bodyBytes(request, limits.bodyBytes)
    if (requests >= limits.requests) throw tooMany(`${limits.requests} requests`)
    if (body > 0 && bytes + body > limits.allBodiesBytes)
      throw tooMany(`requests with bodies of ${limits.allBodiesBytes} bytes together`)
    const add = (sign: 1 | -1) => {
      requests += sign
      bytes += sign * body
      metrics.move('http_requests_in_flight', sign)
      if (body > 0) metrics.move('http_body_bytes_in_flight', sign * body)
    }
    add(1)
    reply.raw.once('close', () => add(-1))
  })
  app.server.maxConnections = MAX_CONNECTIONS
  app.server.on('drop', () => metrics.count('http_connections_dropped_total', {}))
}

/** What a body may come to: as announced, or the most that is taken where nothing is. */
function bodyBytes({ headers }: FastifyRequest, most: number): number {
  if (headers['transfer-encoding'] !== undefined) return most
  const announced = Number(headers['content-length'] ?? 0)
  return Math.min(Number.isFinite(announced) ? announced : most, most)
}

const tooMany = (what: string): AppError =>
  new AppError('CAPACITY_REQUESTS', `This replica is serving ${what} already; try again in a moment.`)
