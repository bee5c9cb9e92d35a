/** The log of a run, page by page. */
import type { ApiDeps } from '../deps.ts'
import { eventJson } from '../event-json.ts'
import { EVENTS_DEFAULT } from '../limits.ts'
import type { RouteApp } from '../route-app.ts'
import { idOr404, idParams } from '../schemas/common.ts'
import { problems, READING } from '../schemas/problem.ts'
import { listEventsAnswer, listEventsQuery } from '../schemas/run-event.ts'
import { awaitEvent, startWaiting } from '../streams/await-event.ts'
import type { OpenStreams } from '../streams/open-streams.ts'

type Page = Awaited<ReturnType<ApiDeps['events']['read']>>

const DESCRIPTION = `Events above after_sequence, in order. Go on with next_after_sequence until has_more is false, then ask again with
wait for what comes next, or watch them live over the WebSocket or events/stream. With wait an empty page is answered as soon as
there is a wanted event, else when the time is over; a service that stops answers at once.`

export function addRunEventRoutes(app: RouteApp, { events }: ApiDeps, streams: OpenStreams): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/events',
    schema: {
      operationId: 'listRunEvents',
      tags: ['events'],
      summary: 'Read the events of a run',
      description: DESCRIPTION,
      params: idParams,
      querystring: listEventsQuery,
      response: { 200: listEventsAnswer, ...problems(...READING, 'NOT_FOUND_RUN', 'CAPACITY_CONNECTIONS') },
    },
    handler: async (request, reply) => {
      const { limit = EVENTS_DEFAULT, event_types: types, include, wait } = request.query
      const { after_sequence: afterSequence = 0 } = request.query
      const raw = include === 'raw'
      const runId = idOr404(request.params.id, 'NOT_FOUND_RUN')
      const look = () => events.read(runId, { afterSequence, limit, types, raw })
      let page = await look()
      if (isEmpty(page) && wait > 0) {
        const waiting = startWaiting(reply, streams, wait)
        const wish = { runId, types }
        page = await awaitEvent(events, wish, look, (found) => !isEmpty(found), waiting.over).finally(
          waiting.end,
        )
      }
      const texts = page.events.map((event) => (raw ? eventJson(event, event.raw) : eventJson(event)))
      const next = page.events.at(-1)?.seq ?? afterSequence
      const text = `{"events":[${texts.join(',')}],"next_after_sequence":${next},"has_more":${page.hasMore}}`
      // A string goes out as it is: events are text already and are not parsed to be written again.
      return reply.type('application/json').send(text)
    },
  })
}

const isEmpty = (page: Page): boolean => page.events.length === 0
