/** The HTTP and WebSocket boundary as one fastify instance. It does not listen: cmd/agent-manager does. */
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { serializerCompiler } from 'fastify-type-provider-zod'
import type { ApiDeps } from './deps.ts'
import { addBodyParsers } from './dialect/json-body.ts'
import { validatorCompiler } from './dialect/validate.ts'
import {
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_HEADER_BYTES,
  MAX_STREAMS,
  MAX_URL_BYTES,
  REQUEST_TIMEOUT_MS,
  STREAM_LIMITS,
} from './limits.ts'
import { addAgentCaller } from './plugins/agent-caller.ts'
import { connectionRefuser } from './plugins/connection-errors.ts'
import { addErrorHandler, sendProblem } from './plugins/errors.ts'
import { addIdempotency } from './plugins/idempotency.ts'
import { addNotFoundHandler } from './plugins/not-found.ts'
import { addOpenApi } from './plugins/openapi.ts'
import { addOverload } from './plugins/overload.ts'
import { addPrincipal } from './plugins/principal.ts'
import { addRateLimit } from './plugins/rate-limit.ts'
import { addRequestBasics, requestIdOf } from './plugins/request-basics.ts'
import { addRequestLog } from './plugins/request-log.ts'
import { addSameOrigin } from './plugins/same-origin.ts'
import { endRefusedUpgrades, mayUpgrade } from './plugins/upgrades.ts'
import type { RouteApp } from './route-app.ts'
import { addArtifactRoutes } from './routes/artifacts.ts'
import { addDocsRoute } from './routes/docs.ts'
import { addHealthRoutes } from './routes/health.ts'
import { addInteractionRoutes } from './routes/interactions.ts'
import { addMetricsRoute } from './routes/metrics.ts'
import { addProfileVersionRoutes } from './routes/profile-versions.ts'
import { addProfileRoutes } from './routes/profiles.ts'
import { addReviewRoutes } from './routes/review.ts'
import { addRunEndingRoutes } from './routes/run-endings.ts'
import { addRunEventRoutes } from './routes/run-events.ts'
import { addRunExplainRoute } from './routes/run-explain.ts'
import { addRunInputRoutes } from './routes/run-inputs.ts'
import { addRunMessageRoutes } from './routes/run-messages.ts'
import { addRunStreamRoutes } from './routes/run-streams.ts'
import { addRunnerRoutes } from './routes/runners.ts'
import { addRunRoutes } from './routes/runs.ts'
import { addTaskRoutes } from './routes/tasks.ts'
import { addToolRoutes } from './routes/tools.ts'
import { addOpenStreams, type OpenStreams } from './streams/open-streams.ts'
import { addWebSocket } from './ws/route.ts'

/** Every route, hook and limit of the service, ready to listen or to be injected into. */
export async function buildServer(deps: ApiDeps): Promise<FastifyInstance> {
  const app = newServer(deps)
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  addBodyParsers(app)
  addErrorHandler(app, deps)
  addRequestLog(app, deps)
  endRefusedUpgrades(app)
  addRequestBasics(app)
  addPrincipal(app)
  addSameOrigin(app)
  addRateLimit(app, deps)
  addOverload(app, deps)
  addAgentCaller(app, deps)
  addIdempotency(app, deps)
  addNotFoundHandler(app)
  await addOpenApi(app, deps.version)
  const streams = addOpenStreams(app, { ...MAX_STREAMS, ...deps.limits.open })
  await addWebSocket(app, deps, streams)
  addRoutes(app.withTypeProvider(), deps, streams)
  await app.ready()
  return app
}

function newServer(deps: ApiDeps): FastifyInstance {
  const { log, limits } = deps
  const logger: FastifyBaseLogger = log
  return Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    // The request's id comes with every line anyway (request-log.ts).
    childLoggerFactory: (logger) => logger,
    bodyLimit: limits.bodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      shouldUpgradeCallback: mayUpgrade,
    },
    // Requests that come while it stops get our own document, not fastify's.
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: requestIdOf,
    clientErrorHandler: connectionRefuser(deps.metrics),
    frameworkErrors: (error, request, reply) => void sendProblem(deps, error, request, reply),
    routerOptions: { maxParamLength: MAX_URL_BYTES },
  })
}

function addRoutes(app: RouteApp, deps: ApiDeps, streams: OpenStreams): void {
  addProfileRoutes(app, deps)
  addProfileVersionRoutes(app, deps)
  addTaskRoutes(app, deps)
  addRunRoutes(app, deps)
  addRunEndingRoutes(app, deps)
  addRunInputRoutes(app, deps)
  addInteractionRoutes(app, deps)
  addRunExplainRoute(app, deps)
  addRunEventRoutes(app, deps, streams)
  addRunStreamRoutes(app, { ...deps, streams, limits: { ...STREAM_LIMITS, ...deps.limits.streams } })
  addRunMessageRoutes(app, deps)
  addReviewRoutes(app, deps)
  addArtifactRoutes(app, deps)
  addRunnerRoutes(app, deps)
  addToolRoutes(app, deps)
  addHealthRoutes(app, deps)
  addMetricsRoute(app, deps)
  addDocsRoute(app)
}
