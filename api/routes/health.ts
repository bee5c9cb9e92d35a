/** The state of the service, for probes and people, and the API's own description. */
import type { ApiDeps } from '../deps.ts'
import { openApiText } from '../plugins/openapi.ts'
import type { RouteApp } from '../route-app.ts'
import {
  healthAnswer,
  healthView,
  livezAnswer,
  openApiAnswer,
  protoHealthAnswer,
  protoHealthView,
} from '../schemas/health.ts'

const PROBE = { isProbe: true, isPage: true } as const

export function addHealthRoutes(app: RouteApp, deps: ApiDeps): void {
  addProbes(app, deps)
  addReports(app, deps)
  addDocument(app)
}

function addProbes(app: RouteApp, { health, version }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/livez',
    config: PROBE,
    schema: {
      operationId: 'getLivez',
      tags: ['service'],
      summary: 'Is the process alive',
      description: 'Asks nothing else: a service whose database is away is alive.',
      response: { 200: livezAnswer },
    },
    handler: async () => ({ status: 'alive' }),
  })

  app.route({
    method: 'GET',
    url: '/readyz',
    config: PROBE,
    schema: {
      operationId: 'getReadyz',
      tags: ['service'],
      summary: 'Should requests be sent here',
      description: '200 or 503, with the state of the service.',
      response: { 200: healthAnswer, 503: healthAnswer },
    },
    handler: async (_request, reply) => {
      const report = await health.report()
      return reply.code(report.readiness ? 200 : 503).send(healthView(report, version, new Date()))
    },
  })
}

function addReports(app: RouteApp, { health, version }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/health',
    config: PROBE,
    schema: {
      operationId: 'getHealth',
      tags: ['service'],
      summary: 'The state of the service',
      description: 'Answers 503 where it is unhealthy; degraded is a 200.',
      response: { 200: healthAnswer, 503: healthAnswer },
    },
    handler: async (_request, reply) => {
      const report = await health.report()
      return reply.code(statusOf(report)).send(healthView(report, version, new Date()))
    },
  })

  app.route({
    method: 'GET',
    url: '/api/v1/health',
    config: PROBE,
    schema: {
      operationId: 'getApiHealth',
      tags: ['service'],
      summary: 'The state of the service, with proto enum names',
      description: 'The same as /health.',
      response: { 200: protoHealthAnswer, 503: protoHealthAnswer },
    },
    handler: async (_request, reply) => {
      const report = await health.report()
      const view = protoHealthView(healthView(report, version, new Date()))
      return reply.code(statusOf(report)).send(view)
    },
  })
}

const statusOf = (report: { status: string }): 200 | 503 => (report.status === 'unhealthy' ? 503 : 200)

function addDocument(app: RouteApp): void {
  let text: string | null = null
  app.route({
    method: 'GET',
    url: '/api/v1/openapi.json',
    config: { isPage: true },
    schema: {
      operationId: 'getOpenApi',
      tags: ['service'],
      summary: 'This document',
      description: 'OpenAPI 3.1, made from the schemas that requests and answers are checked with.',
      response: { 200: openApiAnswer },
    },
    handler: async (_request, reply) => {
      text ??= openApiText(app)
      return reply.type('application/json').send(text)
    },
  })
}
