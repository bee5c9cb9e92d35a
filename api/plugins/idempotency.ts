/**
 * Idempotency-Key on every POST that changes something (docs/adr/0018-idempotency.md). A route need not know of it;
 * one that makes something new gives it the id that the key stands for: `request.reservation?.subjectId`.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import {
  isKept,
  type KeptAnswer,
  type Reservation,
  requestDigest,
} from '../../internal/idempotency/idempotency.ts'
import type { ApiDeps } from '../deps.ts'
import { keyHeader, keyHeaders } from '../schemas/idempotency.ts'
import { withProblems } from '../schemas/problem.ts'

/** Where a route finds the key of a request; null: it has none. */
type KeyOf = (request: FastifyRequest) => string | null

declare module 'fastify' {
  interface FastifyRequest {
    /** The right to carry this request out, where it carries a key. */
    reservation: Reservation | null
  }
  interface FastifyContextConfig {
    /** Where the key stands; absent: in the header. */
    idempotencyKeyOf?: KeyOf
  }
}

/** For POSTs that change nothing: a key means nothing to them. */
export const NO_KEY: KeyOf = () => null

/** @throws VALIDATION_FIELD for a key that is none */
export const keyOfHeader: KeyOf = ({ headers }) => {
  const found = keyHeaders.safeParse(headers)
  if (found.success) return found.data['idempotency-key'] ?? null
  const message = found.error.issues[0]?.message ?? 'is not acceptable'
  throw new AppError('VALIDATION_FIELD', `Idempotency-Key: ${message}.`, {
    faults: [{ field: 'Idempotency-Key', rule: 'format', message }],
  })
}

/** What an answer says besides its body, as far as it is the same at every repeat. */
const KEPT_HEADERS = ['content-type', 'etag', 'location', 'x-retryable'] as const

export function addIdempotency(app: FastifyInstance, { idempotency }: Pick<ApiDeps, 'idempotency'>): void {
  app.decorateRequest('reservation', null)
  app.addHook('onRoute', describeKey)
  // The body is there and nothing was decided yet: what validation refuses is an answer as well.
  app.addHook('preValidation', async (request, reply) => {
    const key = request.method === 'POST' ? keyOf(request) : null
    if (key === null) return
    const begun = await idempotency.begin({
      principal: request.principal.id,
      method: request.method,
      path: request.url.replace(/\?.*$/s, ''),
      key,
      digest: requestDigest(request.query, request.body ?? null),
    })
    if (begun.kind === 'repeat') return repeat(reply, begun.answer)
    request.reservation = begun.reservation
  })
  // Kept before it is sent: who got an answer gets the same again.
  app.addHook('onSend', async (request, reply, payload) => {
    const { reservation } = request
    request.reservation = null
    if (reservation) await settle(reservation, reply, payload)
    return payload
  })
}

const keyOf = (request: FastifyRequest): string | null =>
  (request.routeOptions.config.idempotencyKeyOf ?? keyOfHeader)(request)

const repeat = (reply: FastifyReply, answer: KeptAnswer): FastifyReply =>
  reply.code(answer.status).headers(answer.headers).header('idempotency-replayed', 'true').send(answer.body)

async function settle(reservation: Reservation, reply: FastifyReply, payload: unknown): Promise<void> {
  if (!isKept(reply.statusCode) || typeof payload !== 'string') return reservation.free()
  const headers = KEPT_HEADERS.flatMap((name) => {
    const value = reply.getHeader(name)
    return value === undefined ? [] : [[name, String(value)]]
  })
  await reservation.keep({ status: reply.statusCode, headers: Object.fromEntries(headers), body: payload })
}

/** The header and its refusals, in the document of every POST that takes a key. */
function describeKey(route: RouteOptions): void {
  if (route.method !== 'POST' || route.config?.idempotencyKeyOf === NO_KEY) return
  const headers = route.schema?.headers
  route.schema = {
    ...route.schema,
    headers: headers instanceof z.ZodObject ? headers.extend(keyHeader) : keyHeaders,
    response: withProblems(route.schema?.response, 'STATE_IDEMPOTENCY_IN_FLIGHT', 'IDEMPOTENCY_MISMATCH'),
  }
}
