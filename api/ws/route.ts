/** GET /api/v1/ws: upgrades, counts and, when the service stops, closes the connections. */
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../../internal/errors.ts'
import type { ApiDeps } from '../deps.ts'
import { MAX_SOCKET_MESSAGE_BYTES, MAX_STREAM_RUNS, SOCKET_LIMITS } from '../limits.ts'
import { noQuery } from '../schemas/common.ts'
import { problems, READING } from '../schemas/problem.ts'
import type { OpenStreams } from '../streams/open-streams.ts'
import { limitMessages } from './message-rate.ts'
import { Session } from './session.ts'

const DESCRIPTION = `Upgrade to a WebSocket; one JSON object per frame.

Client messages: \`{"type":"AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_SUBSCRIBE","run_subscription":{"run_id","after_sequence","deltas","event_types"}}\`,
and the types \`…_UNSUBSCRIBE\`, \`…_SUBSCRIBE_ALL\`, \`…_UNSUBSCRIBE_ALL\`, \`…_PING\`, \`…_AUTHENTICATE\`. A subscription is answered by \`…_SUBSCRIBED\`
with the open interactions, then come all events above after_sequence (absent: all) as \`…_RUN_EVENT\`, then the live ones, without gap or repeat;
\`…_RUN_STATUS\`, \`…_RUN_PROGRESS\` and \`…_TASK_STATUS\` repeat status, progress and what they make of the task, \`…_DELTA\` carries text on its way,
\`…_ERROR\` says what went wrong.

Several runs: \`task_id\` or \`tag_prefix\` instead of run_id, or SUBSCRIBE_ALL, with \`cursors\` \`{"<run id>": last sequence}\`. Named runs
go on above their cursor, the others start live, runs that appear later start at 1; SUBSCRIBED lists in \`runs\` where each stands. More than
${MAX_STREAM_RUNS} runs that are unfinished or named are refused with SUBSCRIPTION_TOO_WIDE. What several subscriptions of a connection cover is sent once.

Close codes 1012 and 1013 mean: connect again and go on after the \`sequence=\` of the reason, or after your cursors; 4401, 4403 and 4404 are final.`

export async function addWebSocket(app: FastifyInstance, deps: ApiDeps, streams: OpenStreams): Promise<void> {
  await app.register(websocket, {
    options: { maxPayload: MAX_SOCKET_MESSAGE_BYTES },
    errorHandler: (error, socket) => {
      deps.log.debug({ err: error }, 'websocket failed')
      // Protocol errors are being answered with a close code by the library; only a dead end is cut.
      if (socket.readyState === socket.OPEN) socket.terminate()
    },
    preClose: () => streams.drain(),
  })
  app.route({
    method: 'GET',
    url: '/api/v1/ws',
    config: { isStream: true },
    schema: {
      tags: ['events'],
      operationId: 'watchRuns',
      summary: 'Watch runs live',
      description: DESCRIPTION,
      querystring: noQuery,
      response: problems(...READING, 'CAPACITY_CONNECTIONS'),
    },
    preHandler: async () => streams.checkRoom('websocket'),
    handler: async () => {
      throw new AppError('VALIDATION_FORMAT', 'This route speaks WebSocket: connect with a WebSocket client.')
    },
    wsHandler: (socket) => {
      limitMessages(socket)
      const session = new Session(socket, { ...deps, limits: SOCKET_LIMITS })
      const end = () => session.farewell()
      const place = streams.open('websocket', { end, cut: () => socket.terminate() })
      socket.on('close', () => place.close())
    },
  })
}
