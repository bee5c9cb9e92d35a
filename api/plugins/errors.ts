/** Every failure leaves as an error document; what is our fault is logged with its cause, once. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiDeps } from '../deps.ts'
import { PROBLEM_TYPE } from '../schemas/problem.ts'
import { problemDocument, toAppError } from './problem-document.ts'

export function addErrorHandler(app: FastifyInstance, { asAppError }: Pick<ApiDeps, 'asAppError'>): void {
  app.setErrorHandler((error, request, reply) => sendProblem(asAppError(error), request, reply))
}

/** Answers with the error document of anything thrown. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toAppError(error)
  if (known.kind.status >= 500 && known.code !== 'NOT_IMPLEMENTED') {
    const fields = { err: known.cause ?? known, code: known.code, request_id: request.id, url: request.url }
    if (known.code === 'INTERNAL') request.log.error(fields, 'request failed')
    else request.log.warn(fields, 'request failed')
  }
  const { status, headers, body } = problemDocument(known, request.id)
  return reply
    .code(status)
    .headers({ 'x-request-id': request.id, ...headers })
    .type(PROBLEM_TYPE)
    .send(body)
}
