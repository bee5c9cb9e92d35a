/** The HTTP surface: who may call, how bodies are read, what refusals look like. Does not listen. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { type FastifyInstance, type FastifyRequest, fastify, type HTTPMethods } from 'fastify'
import { UNBUILT_ROUTES } from './contract-routes.ts'
import { ServiceFailure } from './failure.ts'
import { registerRoutes } from './routes.ts'
import type { Deps } from './sandbox-service.ts'
import { startSweeping } from './sweep.ts'

const MAX_BODY_BYTES = 8 * 1024 * 1024
const REQUEST_ARRIVAL_MS = 30_000
const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const LOOPBACK = ['127.0.0.1', '::1', 'localhost']

export interface Access {
  readonly token: string | null
  /** Address it listens on. */
  readonly host: string
}

export function buildServer(deps: Deps, access: Access): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_ARRIVAL_MS,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
  })
  app.removeAllContentTypeParsers()
  // The contract does not look at the content type: handlers parse the bytes.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.addHook('onRequest', async (request) => refuseStrangers(request, access))
  app.setErrorHandler((error, request, reply) => {
    const failure = asFailure(error)
    if (failure.status >= 500)
      deps.log.error({ method: request.method, url: request.url, err: error }, 'request failed')
    return reply.code(failure.status).send(failure.body())
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).type('text/plain').send('404 page not found'))
  const taken = watchRoutes(app)
  registerRoutes(app, deps)
  for (const [method, url] of UNBUILT_ROUTES) {
    app.route({
      method,
      url,
      handler: () => {
        throw new ServiceFailure(501, `${method} ${url} is not built in this service yet`)
      },
    })
  }
  refuseOtherMethods(app, new Map(taken))
  sweepWhileListening(app, deps)
  return app
}

function sweepWhileListening(app: FastifyInstance, deps: Deps): void {
  let endSweeping = () => Promise.resolve()
  app.addHook('onListen', async () => {
    endSweeping = startSweeping(deps)
  })
  app.addHook('onClose', () => endSweeping())
}

/** Every known path answers 405 with an empty body to methods it does not have. */
function refuseOtherMethods(app: FastifyInstance, taken: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, methods] of taken) {
    const method = METHODS.filter((each) => !methods.has(each))
    app.route({ method, url, handler: (_request, reply) => reply.code(405).send() })
  }
}

/** Collects which methods each path has, from here on. */
function watchRoutes(app: FastifyInstance): Map<string, Set<string>> {
  const taken = new Map<string, Set<string>>()
  app.addHook('onRoute', (route) => {
    const methods = taken.get(route.url) ?? new Set()
    for (const method of [route.method].flat()) methods.add(method)
    taken.set(route.url, methods)
  })
  return taken
}

function refuseStrangers(request: FastifyRequest, access: Access): void {
  if (access.token !== null) {
    if (!sameText(request.headers.authorization ?? '', `Bearer ${access.token}`)) {
      throw new ServiceFailure(401, 'a bearer token is required')
    }
    return
  }
  // Without a token any web page the operator opens could reach a loopback service through the browser.
  if (request.headers.origin !== undefined)
    throw new ServiceFailure(403, 'requests from web pages are refused')
  if (LOOPBACK.includes(access.host) && !LOOPBACK.includes(request.hostname.replace(/^\[|\]$/g, ''))) {
    throw new ServiceFailure(403, 'the Host header does not name this machine')
  }
}

/** Takes the same time whatever differs. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

function asFailure(error: unknown): ServiceFailure {
  if (error instanceof ServiceFailure) return error
  const message = error instanceof Error ? error.message : String(error)
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  return new ServiceFailure(status >= 400 && status <= 599 ? status : 500, message)
}
