/** What a profile said before: its immutable versions. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { idOr404, idParams, noQuery } from '../schemas/common.ts'
import { pageFrom, pageView } from '../schemas/page.ts'
import { problems, READING } from '../schemas/problem.ts'
import {
  listVersionsAnswer,
  listVersionsQuery,
  versionAnswer,
  versionFrom,
  versionParams,
  versionView,
} from '../schemas/profile.ts'

export function addProfileVersionRoutes(app: RouteApp, { profiles }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/profiles/:id/versions',
    schema: {
      operationId: 'listProfileVersions',
      tags: ['profiles'],
      summary: 'List the versions of a profile',
      description: 'Newest first; also of a profile that was deleted.',
      params: idParams,
      querystring: listVersionsQuery,
      response: { 200: listVersionsAnswer, ...problems(...READING, 'NOT_FOUND_PROFILE') },
    },
    handler: async ({ params, query }) => {
      const page = await profiles.versions(idOr404(params.id, 'NOT_FOUND_PROFILE'), pageFrom(query))
      return { versions: page.items.map(versionView), ...pageView(page) }
    },
  })

  app.route({
    method: 'GET',
    url: '/api/v1/profiles/:id/versions/:version',
    schema: {
      operationId: 'getProfileVersion',
      tags: ['profiles'],
      summary: 'Get a version of a profile',
      description: 'The settings that a run with this profile_version was made from, before its own.',
      params: versionParams,
      querystring: noQuery,
      response: {
        200: versionAnswer,
        ...problems(...READING, 'NOT_FOUND_PROFILE', 'NOT_FOUND_PROFILE_VERSION'),
      },
    },
    handler: async ({ params }) => {
      const { id, version } = versionFrom(params)
      return { version: versionView(await profiles.version(id, version)) }
    },
  })
}
