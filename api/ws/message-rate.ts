/** A client that sends messages without end is told so and sent away; nothing more it sent is looked at. */
import type { WebSocket } from '@fastify/websocket'
import { Bucket, type Rate } from '../bucket.ts'
import { SOCKET_MESSAGE_RATE } from '../limits.ts'
import { errorFrame } from './frames.ts'

/** RFC 6455 and IANA: try again later. */
const CLOSE_TRY_LATER = 1013

export function limitMessages(socket: WebSocket, rate: Rate = SOCKET_MESSAGE_RATE): void {
  const bucket = new Bucket(rate)
  socket.prependListener('message', () => {
    if (bucket.take() === 0) return
    socket.removeAllListeners('message')
    const message = `More than ${rate.perSecond} messages a second; connect again and send fewer.`
    socket.send(errorFrame({ code: 'RATE_LIMITED', message, runId: null }))
    socket.close(CLOSE_TRY_LATER, 'RATE_LIMITED')
  })
}
