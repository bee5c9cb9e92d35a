/** Why a run stands where it stands. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { idOr404, idParams, noQuery } from '../schemas/common.ts'
import { problems, READING } from '../schemas/problem.ts'
import { explainAnswer, explainView } from '../schemas/run-explain.ts'

export function addRunExplainRoute(app: RouteApp, { explain }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/explain',
    schema: {
      operationId: 'explainRun',
      tags: ['runs'],
      summary: 'Explain where a run stands',
      description:
        'What holds it up or what became of it, and the next step: place in the queue, open questions, review, failure, its replica, its sandbox. Reading it does not count as somebody who could answer its questions.',
      params: idParams,
      querystring: noQuery,
      response: { 200: explainAnswer, ...problems(...READING, 'NOT_FOUND_RUN') },
    },
    handler: async ({ params }) => explainView(await explain.explain(idOr404(params.id, 'NOT_FOUND_RUN'))),
  })
}
