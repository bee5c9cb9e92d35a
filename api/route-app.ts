/** The fastify instance as routes see it: parsed requests are typed by their zod schemas. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance, FastifyTypeProvider } from 'fastify'
import type { z } from 'zod'

interface ZodRequests extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown
  /** Answers are typed where they are made (the `…View` functions) and checked when they are sent. */
  serializer: unknown
}

export type RouteApp = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodRequests
>
