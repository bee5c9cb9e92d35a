/** Requests that never became one: refused on the bare socket, in the same form as every other error. */
import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../../internal/errors.ts'
import type { Metrics } from '../../internal/metrics.ts'
import { PROBLEM_TYPE } from '../schemas/problem.ts'
import { problemDocument } from './problem-document.ts'

/** Makes fastify's `clientErrorHandler`. */
export const connectionRefuser =
  (metrics: Metrics) =>
  (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy(error)
      return
    }
    const requestId = randomUUID()
    const known = appErrorOf(error.code)
    metrics.count('errors_total', { code: known.code })
    const { status, headers, body } = problemDocument(known, requestId)
    const lines = Object.entries({
      'content-type': PROBLEM_TYPE,
      'content-length': String(Buffer.byteLength(body)),
      'x-request-id': requestId,
      connection: 'close',
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`)
  }

function appErrorOf(code: string | undefined): AppError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new AppError('HEADERS_TOO_LARGE', 'URL and headers together are too large; send less.')
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new AppError('REQUEST_TIMEOUT', 'The request took too long to arrive; send it again.')
  }
  return new AppError('VALIDATION_FORMAT', 'This is not an HTTP request.')
}
