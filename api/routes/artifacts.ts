/** What a run left: the list, and the bytes. */
import { byteRange } from '../byte-range.ts'
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import {
  artifactParams,
  artifactsAnswer,
  artifactView,
  contentAnswer,
  contentHeaders,
} from '../schemas/artifact.ts'
import { idOr404, idParams, noQuery } from '../schemas/common.ts'
import { problems, READING } from '../schemas/problem.ts'

export function addArtifactRoutes(app: RouteApp, deps: ApiDeps): void {
  addList(app, deps)
  addContent(app, deps)
}

function addList(app: RouteApp, { artifacts }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/artifacts',
    schema: {
      operationId: 'listRunArtifacts',
      tags: ['artifacts'],
      summary: 'List what a run left',
      description:
        'The diff of each turn, at most the newest 100, and the transcript through the last turn that is over.',
      params: idParams,
      querystring: noQuery,
      response: { 200: artifactsAnswer, ...problems(...READING, 'NOT_FOUND_RUN') },
    },
    handler: async ({ params }) => {
      const list = await artifacts.list(idOr404(params.id, 'NOT_FOUND_RUN'))
      return { artifacts: list.map(artifactView) }
    },
  })
}

function addContent(app: RouteApp, { artifacts }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/artifacts/:id/content',
    schema: {
      operationId: 'getArtifactContent',
      tags: ['artifacts'],
      summary: 'Get the bytes of an artifact',
      description: 'All of them, or with Range some. The ETag is the SHA-256 of the whole.',
      headers: contentHeaders,
      params: artifactParams,
      querystring: noQuery,
      response: {
        200: contentAnswer('The bytes.'),
        206: contentAnswer('The bytes of the range.'),
        304: contentAnswer('The caller has them.'),
        ...problems(...READING, 'NOT_FOUND_ARTIFACT', 'RANGE_NOT_SATISFIABLE'),
      },
    },
    handler: async ({ params, headers }, reply) => {
      const { artifact, content } = await artifacts.open(params.id)
      const etag = `"${artifact.sha256}"`
      const isSame = headers['if-range'] === undefined || headers['if-range'] === etag
      // As an answer to a range that does not exist must say it.
      if (headers.range !== undefined) reply.header('content-range', `bytes */${content.length}`)
      const range = isSame ? byteRange(headers.range, content.length) : null
      reply.removeHeader('content-range')
      reply.headers({
        etag,
        'accept-ranges': 'bytes',
        'cache-control': 'private, no-cache',
        // What an agent wrote is never a page of ours.
        'x-content-type-options': 'nosniff',
        'content-disposition': `attachment; filename="${artifact.name}"`,
      })
      if (headers['if-none-match'] === etag) return reply.code(304).send()
      reply.type(artifact.contentType)
      if (range === null) return reply.code(200).send(content)
      reply.header('content-range', `bytes ${range.first}-${range.last}/${content.length}`)
      return reply.code(206).send(content.subarray(range.first, range.last + 1))
    },
  })
}
