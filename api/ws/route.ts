/** GET /api/v1/ws: upgrades, counts and, when the service stops, closes the connections. */
import websocket, { type WebSocket } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../../internal/errors.ts'
import type { ApiDeps } from '../deps.ts'
import { MAX_SOCKET_MESSAGE_BYTES, MAX_SOCKETS, SOCKET_FAREWELL_MS, SOCKET_LIMITS } from '../limits.ts'
import { noQuery } from '../schemas/common.ts'
import { problems, READING } from '../schemas/problem.ts'
import { limitMessages } from './message-rate.ts'
import { Session } from './session.ts'

const DESCRIPTION = `Upgrade to a WebSocket; one JSON object per frame.

Client messages: \`{"type":"AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_SUBSCRIBE","run_subscription":{"run_id","after_sequence","deltas","event_types"}}\`,
and the types \`…_UNSUBSCRIBE\`, \`…_SUBSCRIBE_ALL\`, \`…_UNSUBSCRIBE_ALL\`, \`…_PING\`. A subscription is answered by \`…_SUBSCRIBED\`
with the open interactions, then come all events above after_sequence (absent: all) as \`…_RUN_EVENT\`, then the live ones, without gap or repeat;
\`…_RUN_STATUS\` and \`…_RUN_PROGRESS\` repeat status and progress, \`…_DELTA\` carries text on its way, \`…_ERROR\` says what
went wrong. SUBSCRIBE_ALL starts live. Close codes 1012 and 1013 mean: connect again and go on after the
\`sequence=\` of the reason.`

export async function addWebSocket(app: FastifyInstance, deps: ApiDeps): Promise<void> {
  const sessions = new Map<WebSocket, Session>()
  await app.register(websocket, {
    options: { maxPayload: MAX_SOCKET_MESSAGE_BYTES },
    errorHandler: (error, socket) => {
      deps.log.debug({ err: error }, 'websocket failed')
      // Protocol errors are being answered with a close code by the library; only a dead end is cut.
      if (socket.readyState === socket.OPEN) socket.terminate()
    },
    preClose: () => closeAll(sessions),
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
      response: problems(...READING),
    },
    preHandler: async () => {
      if (sessions.size < MAX_SOCKETS) return
      throw new AppError(
        'CAPACITY_CONNECTIONS',
        `This replica serves ${MAX_SOCKETS} connections already; try again later.`,
      )
    },
    handler: async () => {
      throw new AppError('VALIDATION_FORMAT', 'This route speaks WebSocket: connect with a WebSocket client.')
    },
    wsHandler: (socket) => {
      limitMessages(socket)
      sessions.set(socket, new Session(socket, { ...deps, limits: SOCKET_LIMITS }))
      socket.on('close', () => sessions.delete(socket))
    },
  })
}

/** Says farewell to all, waits for their answer a moment, then cuts what is left. */
async function closeAll(sessions: ReadonlyMap<WebSocket, Session>): Promise<void> {
  const gone = [...sessions].map(([socket, session]) => {
    const closed = new Promise((resolve) => {
      socket.once('close', resolve)
    })
    session.farewell()
    return closed
  })
  const deadline = setTimeout(() => {
    for (const socket of sessions.keys()) socket.terminate()
  }, SOCKET_FAREWELL_MS)
  await Promise.all(gone)
  clearTimeout(deadline)
}
