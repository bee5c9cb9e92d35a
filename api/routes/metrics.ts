/** GET /metrics, for a Prometheus scraper. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { textAnswer } from '../schemas/health.ts'

export function addMetricsRoute(app: RouteApp, deps: Pick<ApiDeps, 'expose'>): void {
  app.route({
    method: 'GET',
    url: '/metrics',
    config: { isProbe: true, isPage: true },
    schema: {
      operationId: 'getMetrics',
      tags: ['service'],
      summary: 'Metrics of this replica',
      description: 'Prometheus text format 0.0.4. Names begin with agent_manager_.',
      response: { 200: { description: 'The metrics.', content: { 'text/plain': { schema: textAnswer } } } },
    },
    handler: async (_request, reply) => {
      const { contentType, text } = await deps.expose()
      return reply.type(contentType).send(text)
    },
  })
}
