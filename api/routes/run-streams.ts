/** The log of a run as a stream: live as server-sent events, whole as NDJSON. */
import { z } from 'zod'
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { idOr404, idParams } from '../schemas/common.ts'
import { problems, READING } from '../schemas/problem.ts'
import { exportEventsQuery, streamEventsHeaders, streamEventsQuery } from '../schemas/run-event.ts'
import { EventStream, type EventStreamDeps } from '../streams/event-stream.ts'
import { exportLog } from '../streams/log-export.ts'

const STREAM = `Server-sent events. First \`event: sync\` (where it starts, where the log ends, open interactions), then each event above the cursor as
\`event: run_event\` with its sequence as id, without gap or repeat, then the live ones. A client that comes back with Last-Event-ID, as
EventSource does, goes on there. \`event: delta\` (no id) is text on its way, \`event: end\` says with until=terminal that the run is finished
and told. Comments keep the connection alive. A reader that takes nothing for a minute is cut off; a service that stops ends the stream.`

const EXPORT = `Every event above after_sequence, one JSON object a line, up to where the log ended when it was asked for. A connection that breaks
off before the end of the answer has left something out: go on after the last whole line.`

const FAULTS = problems(...READING, 'NOT_FOUND_RUN', 'CAPACITY_CONNECTIONS')

const answer = (contentType: string, description: string) => ({
  200: { description, content: { [contentType]: { schema: z.string() } } },
})

type StreamDeps = Omit<EventStreamDeps, 'log'> & Pick<ApiDeps, 'log'>

export function addRunStreamRoutes(app: RouteApp, deps: StreamDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/events/stream',
    exposeHeadRoute: false,
    config: { isStream: true },
    schema: {
      operationId: 'streamRunEvents',
      tags: ['events'],
      summary: 'Follow the events of a run',
      description: STREAM,
      params: idParams,
      headers: streamEventsHeaders,
      querystring: streamEventsQuery,
      response: { ...answer('text/event-stream', 'The stream.'), ...FAULTS },
    },
    handler: async (request, reply) => {
      const { after_sequence: after = 0, event_types: eventTypes, deltas, until } = request.query
      // What the client has seen since counts more than what it once asked for.
      const afterSequence = request.headers['last-event-id'] ?? after
      const runId = idOr404(request.params.id, 'NOT_FOUND_RUN')
      const wish = { runId, afterSequence, eventTypes, deltas, untilTerminal: until === 'terminal' }
      await new EventStream(reply, wish, deps).open()
      return reply
    },
  })
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/events.ndjson',
    exposeHeadRoute: false,
    config: { isStream: true },
    schema: {
      operationId: 'exportRunEvents',
      tags: ['events'],
      summary: 'Export the events of a run',
      description: EXPORT,
      params: idParams,
      querystring: exportEventsQuery,
      response: { ...answer('application/x-ndjson', 'The events.'), ...FAULTS },
    },
    handler: async (request, reply) => {
      const { after_sequence: afterSequence = 0, event_types: types, include } = request.query
      const runId = idOr404(request.params.id, 'NOT_FOUND_RUN')
      await exportLog(reply, { runId, afterSequence, types, raw: include === 'raw' }, deps)
      return reply
    },
  })
}
