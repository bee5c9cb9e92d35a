/** Profiles: create, ensure, list, get, update, archive, delete. Their versions: profile-versions.ts. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { checkRepeatedId, deletedAnswer, idOr404, idParams, noQuery } from '../schemas/common.ts'
import { etagOf, ifMatchFrom, ifMatchHeaders } from '../schemas/etag.ts'
import { pageFrom, pageView } from '../schemas/page.ts'
import { problems, READING, WITH_BODY, WRITING } from '../schemas/problem.ts'
import {
  createProfileBody,
  ensureProfileAnswer,
  ensureProfileBody,
  getProfileAnswer,
  listProfilesAnswer,
  listProfilesQuery,
  profileAnswer,
  profileFilterFrom,
  profileFrom,
  profileIdBody,
  profileUpdateFrom,
  profileView,
  updateProfileBody,
} from '../schemas/profile.ts'

export function addProfileRoutes(app: RouteApp, deps: ApiDeps): void {
  addCreate(app, deps)
  addEnsure(app, deps)
  addList(app, deps)
  addGet(app, deps)
  addUpdate(app, deps)
  addDelete(app, deps)
  addArchive(app, deps, 'archive')
  addArchive(app, deps, 'unarchive')
}

function addCreate(app: RouteApp, { profiles }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/profiles',
    schema: {
      operationId: 'createProfile',
      tags: ['profiles'],
      summary: 'Create a profile',
      description:
        'Name and profile_key default to each other. A key or name that exists already is refused, also where the other profile is archived.',
      body: createProfileBody,
      response: { 201: profileAnswer, ...problems(...WRITING, 'CONFLICT_DUPLICATE') },
    },
    handler: async (request, reply) => {
      const profile = await profiles.create(
        profileFrom(request.body.profile, 'profile'),
        request.reservation?.subjectId,
      )
      return reply
        .code(201)
        .header('etag', etagOf(profile))
        .send({ profile: profileView(profile) })
    },
  })
}

function addEnsure(app: RouteApp, { profiles }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/profiles/ensure',
    schema: {
      operationId: 'ensureProfile',
      tags: ['profiles'],
      summary: 'Get a profile by key, or create it',
      description:
        'An existing profile is left alone unless update_existing is true; then it gets a new version where the settings differ. An archived one stays archived. Safe to call at every start and from several callers at once.',
      body: ensureProfileBody,
      response: {
        200: ensureProfileAnswer,
        ...problems(...WRITING, 'NOT_FOUND_PROFILE', 'CONFLICT_DUPLICATE'),
      },
    },
    handler: async (request, reply) => {
      const { profile_key: profileKey, defaults, update_existing: updateExisting } = request.body
      const result = await profiles.ensure({
        profileKey,
        defaults: defaults ? profileFrom(defaults, 'defaults', profileKey) : null,
        updateExisting: updateExisting ?? false,
      })
      reply.header('etag', etagOf(result.profile))
      return { profile: profileView(result.profile), created: result.created, updated: result.updated }
    },
  })
}

function addList(app: RouteApp, { profiles }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/profiles',
    schema: {
      operationId: 'listProfiles',
      tags: ['profiles'],
      summary: 'List profiles',
      description:
        'Newest first, without archived ones unless they are asked for. Pages hold still while profiles are added: go on with next_page_token.',
      querystring: listProfilesQuery,
      response: { 200: listProfilesAnswer, ...problems(...READING) },
    },
    handler: async ({ query }) => {
      const page = await profiles.list(profileFilterFrom(query), pageFrom(query))
      return { profiles: page.items.map(profileView), ...pageView(page) }
    },
  })
}

function addGet(app: RouteApp, { profiles }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/profiles/:id',
    schema: {
      operationId: 'getProfile',
      tags: ['profiles'],
      summary: 'Get a profile',
      description: 'The newest version of the profile, archived or not. Its ETag goes into If-Match.',
      params: idParams,
      querystring: noQuery,
      response: { 200: getProfileAnswer, ...problems(...READING, 'NOT_FOUND_PROFILE') },
    },
    handler: async ({ params }, reply) => {
      const profile = await profiles.get(idOr404(params.id, 'NOT_FOUND_PROFILE'))
      reply.header('etag', etagOf(profile))
      return { profile: profileView(profile), available_models: [], model_presets: {} }
    },
  })
}

function addUpdate(app: RouteApp, { profiles }: ApiDeps): void {
  app.route({
    method: 'PUT',
    url: '/api/v1/profiles/:id',
    schema: {
      operationId: 'updateProfile',
      tags: ['profiles'],
      summary: 'Update a profile',
      description:
        'Replaces all settings: what is left out is unset. Name and profile_key stay where they are left out; who made the profile, and whether it is archived, stays. Where anything differs a new version is made; runs keep the one they pinned.',
      params: idParams,
      querystring: noQuery,
      headers: ifMatchHeaders,
      body: updateProfileBody,
      response: {
        200: profileAnswer,
        ...problems(...WRITING, 'NOT_FOUND_PROFILE', 'CONFLICT_DUPLICATE', 'PRECONDITION_FAILED'),
      },
    },
    handler: async ({ params, body, headers }, reply) => {
      const id = idOr404(params.id, 'NOT_FOUND_PROFILE')
      checkRepeatedId(id, body.profile_id, 'profile_id')
      const profile = await profiles.update(id, profileUpdateFrom(body.profile), ifMatchFrom(headers))
      reply.header('etag', etagOf(profile))
      return { profile: profileView(profile) }
    },
  })
}

function addDelete(app: RouteApp, { profiles }: ApiDeps): void {
  app.route({
    method: 'DELETE',
    url: '/api/v1/profiles/:id',
    schema: {
      operationId: 'deleteProfile',
      tags: ['profiles'],
      summary: 'Delete a profile',
      description:
        'It is found no more and its key and name are free again. Runs keep the version they pinned, and its versions stay readable. Repeating it is harmless, and so is deleting what never was.',
      params: idParams,
      querystring: noQuery,
      headers: ifMatchHeaders,
      response: {
        200: deletedAnswer,
        ...problems(
          ...READING,
          ...WITH_BODY,
          'POLICY_AGENT_CALLER',
          'NOT_FOUND_PROFILE',
          'PRECONDITION_FAILED',
        ),
      },
    },
    handler: async ({ params, headers }) => {
      await profiles.delete(idOr404(params.id, 'NOT_FOUND_PROFILE'), ifMatchFrom(headers))
      return { success: true }
    },
  })
}

const ARCHIVING = {
  archive: {
    operationId: 'archiveProfile',
    summary: 'Archive a profile',
    description:
      'It takes no new runs and is left out of lists; runs it has go on, and its key and name stay taken. Repeating it is harmless.',
  },
  unarchive: {
    operationId: 'unarchiveProfile',
    summary: 'Take a profile back into use',
    description: 'It takes runs again, with the settings it has. Repeating it is harmless.',
  },
} as const

function addArchive(app: RouteApp, { profiles }: ApiDeps, action: keyof typeof ARCHIVING): void {
  app.route({
    method: 'POST',
    url: `/api/v1/profiles/:id/${action}`,
    schema: {
      ...ARCHIVING[action],
      tags: ['profiles'],
      params: idParams,
      querystring: noQuery,
      headers: ifMatchHeaders,
      body: profileIdBody,
      response: { 200: profileAnswer, ...problems(...WRITING, 'NOT_FOUND_PROFILE', 'PRECONDITION_FAILED') },
    },
    handler: async ({ params, body, headers }, reply) => {
      const id = idOr404(params.id, 'NOT_FOUND_PROFILE')
      checkRepeatedId(id, body.profile_id, 'profile_id')
      const profile = await profiles.setArchived(id, action === 'archive', ifMatchFrom(headers))
      reply.header('etag', etagOf(profile))
      return { profile: profileView(profile) }
    },
  })
}
