/** The conversation of a run as a person saw it. */
import type { ApiDeps } from '../deps.ts'
import { MESSAGES_DEFAULT } from '../limits.ts'
import type { RouteApp } from '../route-app.ts'
import { idOr404, idParams } from '../schemas/common.ts'
import { problems, READING } from '../schemas/problem.ts'
import { messagesAnswer, messagesQuery, messagesView } from '../schemas/run-message.ts'

export function addRunMessageRoutes(app: RouteApp, { transcripts }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/messages',
    schema: {
      operationId: 'listRunMessages',
      tags: ['runs'],
      summary: 'Read the conversation of a run',
      description:
        'What was told, said, thought, done and asked, in order, rebuilt from the log; calls come with their results and questions with their answers. What was still open when it was read changes later: read it again, or watch the events.',
      params: idParams,
      querystring: messagesQuery,
      response: { 200: messagesAnswer, ...problems(...READING, 'NOT_FOUND_RUN') },
    },
    handler: async ({ params, query }) => {
      const { after_sequence: afterSequence = 0, limit = MESSAGES_DEFAULT } = query
      const page = await transcripts.page(idOr404(params.id, 'NOT_FOUND_RUN'), { afterSequence, limit })
      return messagesView(page)
    },
  })
}
