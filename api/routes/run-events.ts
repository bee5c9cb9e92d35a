/** The log of a run, page by page. */
import type { ApiDeps } from '../deps.ts'
import { eventJson } from '../event-json.ts'
import { EVENTS_DEFAULT } from '../limits.ts'
import type { RouteApp } from '../route-app.ts'
import { idOr404, idParams } from '../schemas/common.ts'
import { problems, READING } from '../schemas/problem.ts'
import { listEventsAnswer, listEventsQuery } from '../schemas/run-event.ts'

export function addRunEventRoutes(app: RouteApp, { events }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/events',
    schema: {
      operationId: 'listRunEvents',
      tags: ['events'],
      summary: 'Read the events of a run',
      description:
        'Events above after_sequence, in order. Go on with next_after_sequence until has_more is false, then ask again for what has come since, or watch them live over the WebSocket.',
      params: idParams,
      querystring: listEventsQuery,
      response: { 200: listEventsAnswer, ...problems(...READING, 'NOT_FOUND_RUN', 'NOT_IMPLEMENTED') },
    },
    handler: async (request, reply) => {
      const {
        after_sequence: afterSequence = 0,
        limit = EVENTS_DEFAULT,
        event_types: types,
        include,
      } = request.query
      const raw = include === 'raw'
      const runId = idOr404(request.params.id, 'NOT_FOUND_RUN')
      const page = await events.read(runId, { afterSequence, limit, types, raw })
      const texts = page.events.map((event) => (raw ? eventJson(event, event.raw) : eventJson(event)))
      const next = page.events.at(-1)?.seq ?? afterSequence
      const text = `{"events":[${texts.join(',')}],"next_after_sequence":${next},"has_more":${page.hasMore}}`
      // A string goes out as it is: events are text already and are not parsed to be written again.
      return reply.type('application/json').send(text)
    },
  })
}
