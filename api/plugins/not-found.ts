/** 404 for paths nobody serves; 405 with Allow where another method would do; OPTIONS tells which. */
import type { FastifyInstance } from 'fastify'
import { AppError } from '../../internal/errors.ts'

/** To be added before the routes: it watches them being registered. */
export function addNotFoundHandler(app: FastifyInstance): void {
  const routes: { pattern: readonly string[]; methods: readonly string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    routes.push({ pattern: url.split('/'), methods: [method].flat() })
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const segments = path.split('/')
    const allowed = new Set(
      routes.filter(({ pattern }) => matches(pattern, segments)).flatMap((r) => r.methods),
    )
    if (allowed.size === 0)
      throw new AppError('NOT_FOUND_ROUTE', `There is nothing at ${request.method} ${path}.`)
    const allow = [...allowed].sort().join(', ')
    reply.header('allow', allow)
    // What the path takes is told; nothing that lets another origin in is.
    if (request.method === 'OPTIONS') return reply.code(204).send()
    throw new AppError('METHOD_NOT_ALLOWED', `${path} does not take ${request.method}; it takes ${allow}.`)
  })
}

const matches = (pattern: readonly string[], segments: readonly string[]): boolean =>
  pattern.length === segments.length &&
  pattern.every((part, index) => part.startsWith(':') || part === segments[index])
