/** The agent programs and what they can do. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { noQuery } from '../schemas/common.ts'
import { problems } from '../schemas/problem.ts'
import { runnersAnswer, runnersView } from '../schemas/runner.ts'

export function addRunnerRoutes(app: RouteApp, { runners }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runners',
    schema: {
      operationId: 'listRunners',
      tags: ['runners'],
      summary: 'List runners',
      description:
        'Each agent program with its version here and what it can do. What it cannot do is refused.',
      querystring: noQuery,
      response: { 200: runnersAnswer, ...problems('VALIDATION_UNKNOWN_FIELD') },
    },
    handler: async () => runnersView(await runners.list()),
  })
}
