import type { FastifyRequest } from 'fastify'
import { validate as isUuid } from 'uuid'
import { badRequest } from './failure.ts'

/** What stands in the place of the id, whatever it is. */
export function idIn(request: FastifyRequest): string {
  const { params } = request
  const id = typeof params === 'object' && params !== null && 'id' in params ? params.id : ''
  return typeof id === 'string' ? id.toLowerCase() : ''
}

/** The sandbox a request is about. @throws ServiceFailure 400 */
export function idOf(request: FastifyRequest): string {
  const id = idIn(request)
  if (!isUuid(id)) throw badRequest('invalid sandbox ID')
  return id
}
