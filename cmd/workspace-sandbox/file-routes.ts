/** Routes of the files API: `?path=` in, JSON or bytes out. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { badRequest } from './failure.ts'
import {
  deletePath,
  downloadFile,
  listFolder,
  MAX_CONTENT_BYTES,
  makeFolder,
  readContent,
  writeContent,
} from './files-api.ts'
import { readFileBody, readMkdirBody } from './request-body.ts'
import { idOf } from './request-id.ts'
import type { Deps } from './sandbox-service.ts'

/** Base64 takes a third more, JSON escapes up to six bytes for one of a text full of control characters. */
const MAX_UPLOAD_BYTES = 2 * MAX_CONTENT_BYTES

export function registerFileRoutes(app: FastifyInstance, deps: Deps): void {
  const files = '/api/v1/sandboxes/:id/files'
  const content = `${files}/content`
  app.get(files, async (request) => listFolder(deps, idOf(request), queryOf(request).get('path') || '/'))
  app.get(content, async (request) => readContent(deps, idOf(request), pathOf(request)))
  app.put(content, { bodyLimit: MAX_UPLOAD_BYTES }, async (request, reply) => {
    const written = await writeContent(deps, idOf(request), pathOf(request), readFileBody(request.body))
    return reply.code(written['created'] === true ? 201 : 200).send(written)
  })
  app.delete(content, async (request) => {
    const recursive = queryOf(request).get('recursive') === 'true'
    return deletePath(deps, idOf(request), pathOf(request), recursive)
  })
  app.post(`${files}/mkdir`, async (request, reply) => {
    const { path } = readMkdirBody(request.body)
    return reply.code(201).send(await makeFolder(deps, idOf(request), path))
  })
  app.get(`${files}/download`, async (request, reply) => {
    const path = pathOf(request)
    const stream = await downloadFile(deps, idOf(request), path)
    const name = encodeURIComponent(path.split('/').at(-1) ?? '')
    return reply
      .type('application/octet-stream')
      .header('content-disposition', `attachment; filename*=UTF-8''${name}`)
      .send(stream)
  })
}

const queryOf = (request: FastifyRequest): URLSearchParams =>
  new URL(request.url, 'http://localhost').searchParams

function pathOf(request: FastifyRequest): string {
  const path = queryOf(request).get('path') ?? ''
  if (path === '') throw badRequest('path is required')
  return path
}
