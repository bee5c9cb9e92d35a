/**
 * An HTTP answer that is written bit by bit, as the way out of a stream. Nothing is sent before the first write, so
 * that what fails until then is answered like any other request.
 */
import type { FastifyReply } from 'fastify'
import type { Sink } from './outbox.ts'

export interface HttpStream {
  readonly contentType: string
  /** The last words when the service stops; null: an answer that is cut short must look like one. */
  readonly farewell: string | null
}

export interface HttpSink extends Sink {
  /** Sends the head of an answer that may have no body. */
  begin(): void
  /** Ends a whole answer. */
  finish(): void
  /** Ends it at once: the reader sees that something is missing. */
  cut(): void
}

/** Proxies must hand on every piece as it comes, and keep none. */
const PROXY_HEADERS = { 'cache-control': 'no-store, no-transform', 'x-accel-buffering': 'no' }

export function httpSink(reply: FastifyReply, { contentType, farewell }: HttpStream): HttpSink {
  const { raw } = reply
  let isOpen = !raw.destroyed
  raw.on('close', () => {
    isOpen = false
  })
  // Whoever hangs up in the middle of a write: 'close' follows.
  raw.on('error', (error) => reply.log.debug({ err: error }, 'stream failed'))

  const begin = () => {
    if (raw.headersSent || !isOpen) return
    reply.hijack()
    raw.writeHead(200, { ...headersOf(reply), ...PROXY_HEADERS, 'content-type': contentType })
    raw.flushHeaders()
  }
  const cut = () => {
    isOpen = false
    raw.destroy()
  }
  return {
    get isOpen() {
      return isOpen
    },
    get unsentBytes() {
      return raw.writableLength
    },
    begin,
    write: (text, sent) => {
      begin()
      raw.write(text, (error) => sent(error ?? null))
    },
    finish: () => {
      begin()
      isOpen = false
      raw.end()
    },
    cut,
    close: (why) => {
      if (why === 'try_later' || farewell === null || !raw.headersSent) return cut()
      isOpen = false
      // The connection goes with it: it could only be used to ask a service that stops.
      const { socket } = raw
      raw.end(farewell, () => socket?.destroySoon())
    },
    onEnd: (listener) => void raw.on('close', listener),
  }
}

function headersOf(reply: FastifyReply): Record<string, string | number | string[]> {
  const set = Object.entries(reply.getHeaders())
  return Object.fromEntries(set.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}
