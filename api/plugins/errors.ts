/** Every failure leaves as an error document; what is our fault is logged with its cause, once. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiDeps } from '../deps.ts'
import { PROBLEM_TYPE } from '../schemas/problem.ts'
import { problemDocument, toAppError } from './problem-document.ts'

type Deps = Pick<ApiDeps, 'asAppError' | 'metrics'>

export function addErrorHandler(app: FastifyInstance, deps: Deps): void {
  app.setErrorHandler((error, request, reply) => sendProblem(deps, error, request, reply))
}

/** Answers with the error document of anything thrown. */
export function sendProblem(
  { asAppError, metrics }: Deps,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = toAppError(asAppError(error))
  metrics.count('errors_total', { code: known.code })
  if (known.kind.status >= 500 && known.code !== 'NOT_IMPLEMENTED') {
    const { id, routeOptions } = request
    const fields = { err: known.cause ?? known, code: known.code, request_id: id, route: routeOptions.url }
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
