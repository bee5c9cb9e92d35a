/**
 * Who asks. Every request has a principal, whoever came in: limits, idempotency keys and records are per
 * principal. Without keys there is one, because being on this machine is all the authority there is.
 */
import type { FastifyInstance } from 'fastify'

export interface Principal {
  /** Stable name; part of keys in the database. */
  readonly id: string
  readonly kind: 'local'
}

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
  }
}

const LOCAL: Principal = Object.freeze({ id: 'local', kind: 'local' })

export function addPrincipal(app: FastifyInstance): void {
  app.decorateRequest('principal', { getter: () => LOCAL })
}
