/** A WebSocket as the way out of a session. */
import type { WebSocket } from '@fastify/websocket'
import type { Farewell, Sink } from '../streams/outbox.ts'

/** RFC 6455 and IANA: service restart, try again later. Both mean: come back. */
const CLOSE_CODES = { restart: 1012, try_later: 1013 } as const satisfies Record<Farewell, number>

export const socketSink = (socket: WebSocket): Sink => ({
  get isOpen() {
    return socket.readyState === socket.OPEN
  },
  get unsentBytes() {
    return socket.bufferedAmount
  },
  write: (text, sent) => socket.send(text, (error) => sent(error ?? null)),
  close: (why, lastSequence) => socket.close(CLOSE_CODES[why], `sequence=${lastSequence}`),
  onEnd: (listener) => void socket.on('close', listener),
})
