/**
 * Each request leaves one line and one count, when its answer is gone or its client is. What the caller wrote stays out:
 * no query, no body, no path, only the route's pattern and the run it names. Every line logged on the way bears the
 * request's id.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { withLogFields } from '../../internal/log.ts'
import { secondsSince } from '../../internal/metrics.ts'
import type { ApiDeps } from '../deps.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Lasts as long as its client wants: bounded by the limits of streams, not by those of requests. */
    readonly isStream?: true
  }
}

const UPGRADED = 101
/** What a client that left before its answer began is counted as, as nginx does. */
const CLIENT_GONE = 499

/** To be added before every other hook. */
export function addRequestLog(
  app: FastifyInstance,
  { log, metrics }: Pick<ApiDeps, 'log' | 'metrics'>,
): void {
  app.addHook('onRequest', (request, reply, done) => {
    const startedAt = performance.now()
    const sentBefore = bytesSent(request)
    const { isStream } = request.routeOptions.config
    if (isStream) metrics.move('streams_open', 1)
    reply.raw.once('close', () => {
      const seconds = secondsSince(startedAt)
      const status = statusOf(request, reply)
      const labels = labelsOf(request)
      metrics.count('http_requests_total', { ...labels, status: `${Math.floor(status / 100)}xx` })
      // How long somebody wanted to watch says nothing about us.
      if (isStream) metrics.move('streams_open', -1)
      else metrics.observe('http_request_duration_seconds', labels, seconds)
      const line = {
        request_id: request.id,
        ...labels,
        status,
        duration_ms: Math.round(seconds * 1e5) / 100,
        bytes: bytesSent(request) - sentBefore,
        principal: request.principal.id,
        ...runOf(request),
      }
      log[levelOf(request, status)](line, 'request')
    })
    withLogFields({ request_id: request.id }, done)
  })
  // The last piece of a body arrives in a call of its own, outside of ours.
  app.addHook('preValidation', (request, _reply, done) => {
    withLogFields({ request_id: request.id }, done)
  })
}

/** All that went over the connection meanwhile; an injected request has none. */
const bytesSent = ({ raw }: FastifyRequest): number => raw.socket?.bytesWritten ?? 0

function statusOf(request: FastifyRequest, reply: FastifyReply): number {
  if (reply.raw.headersSent) return reply.raw.statusCode
  return reply.sent && request.routeOptions.config.isStream ? UPGRADED : CLIENT_GONE
}

/** Names of methods are the client's choice, so those that no route takes are one. */
function labelsOf({ method, routeOptions }: FastifyRequest): { route: string; method: string } {
  return { route: routeOptions.url ?? 'unmatched', method: METHODS.has(method) ? method : 'OTHER' }
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

const RUN_ROUTE = '/api/v1/runs/:id'
const RUN_ID = /^[0-9a-f-]{36}$/i

/** Only what looks like an id: the rest of a path may be anything. */
function runOf({ routeOptions, params }: FastifyRequest): { run_id?: string } {
  if (!routeOptions.url?.startsWith(RUN_ROUTE) || typeof params !== 'object' || params === null) return {}
  const id = 'id' in params ? params.id : null
  return typeof id === 'string' && RUN_ID.test(id) ? { run_id: id } : {}
}

function levelOf({ routeOptions }: FastifyRequest, status: number): 'debug' | 'info' | 'warn' | 'error' {
  if (routeOptions.config.isProbe) return 'debug'
  if (status >= 500) return 'error'
  return status >= 400 ? 'warn' : 'info'
}
