/** Profiles: create, ensure, get. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { idOr404, idParams, noQuery } from '../schemas/common.ts'
import { problems, READING, WRITING } from '../schemas/problem.ts'
import {
  createProfileBody,
  ensureProfileAnswer,
  ensureProfileBody,
  getProfileAnswer,
  profileAnswer,
  profileFrom,
  profileView,
} from '../schemas/profile.ts'

export function addProfileRoutes(app: RouteApp, { profiles }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/profiles',
    schema: {
      operationId: 'createProfile',
      tags: ['profiles'],
      summary: 'Create a profile',
      description:
        'Name and profile_key default to each other. A key or name that exists already is refused.',
      body: createProfileBody,
      response: { 201: profileAnswer, ...problems(...WRITING, 'CONFLICT_DUPLICATE') },
    },
    handler: async (request, reply) => {
      const profile = await profiles.create(profileFrom(request.body.profile, 'profile'))
      return reply.code(201).send({ profile: profileView(profile) })
    },
  })

  app.route({
    method: 'POST',
    url: '/api/v1/profiles/ensure',
    schema: {
      operationId: 'ensureProfile',
      tags: ['profiles'],
      summary: 'Get a profile by key, or create it',
      description:
        'An existing profile is left alone unless update_existing is true; then it gets a new version where the settings differ. Safe to call at every start and from several callers at once.',
      body: ensureProfileBody,
      response: {
        200: ensureProfileAnswer,
        ...problems(...WRITING, 'NOT_FOUND_PROFILE', 'CONFLICT_DUPLICATE'),
      },
    },
    handler: async (request) => {
      const { profile_key: profileKey, defaults, update_existing: updateExisting } = request.body
      const result = await profiles.ensure({
        profileKey,
        defaults: defaults ? profileFrom(defaults, 'defaults', profileKey) : null,
        updateExisting: updateExisting ?? false,
      })
      return { profile: profileView(result.profile), created: result.created, updated: result.updated }
    },
  })

  app.route({
    method: 'GET',
    url: '/api/v1/profiles/:id',
    schema: {
      operationId: 'getProfile',
      tags: ['profiles'],
      summary: 'Get a profile',
      description: 'The newest version of the profile.',
      params: idParams,
      querystring: noQuery,
      response: { 200: getProfileAnswer, ...problems(...READING, 'NOT_FOUND_PROFILE') },
    },
    handler: async (request) => {
      const profile = await profiles.get(idOr404(request.params.id, 'NOT_FOUND_PROFILE'))
      return { profile: profileView(profile), available_models: [], model_presets: {} }
    },
  })
}
