/** Runs by tag, stopping many, and deleting one. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { idOr404, idParams, NOBODY, noQuery } from '../schemas/common.ts'
import { problems, READING, WITH_BODY, WRITING } from '../schemas/problem.ts'
import { getRunAnswer } from '../schemas/run.ts'
import {
  deletedAnswer,
  stopAllAnswer,
  stopAllBody,
  stoppedView,
  stopTagAnswer,
  stopTagBody,
  tagParams,
} from '../schemas/run-ending.ts'
import { getRunView, runView } from '../schemas/run-view.ts'

export function addRunEndingRoutes(app: RouteApp, deps: ApiDeps): void {
  addGetByTag(app, deps)
  addStopByTag(app, deps)
  addStopAll(app, deps)
  addDelete(app, deps)
}

function addGetByTag(app: RouteApp, { runs }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/tag/:tag',
    schema: {
      operationId: 'getRunByTag',
      tags: ['runs'],
      summary: 'Get the newest run of a tag',
      description: 'Tags are not unique: of several runs with exactly this tag the newest is shown.',
      params: tagParams,
      querystring: noQuery,
      response: { 200: getRunAnswer, ...problems(...READING, 'NOT_FOUND_RUN') },
    },
    handler: async ({ params }) => getRunView(await runs.getByTag(params.tag)),
  })
}

function addStopByTag(app: RouteApp, { ending }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/tag/:tag/stop',
    schema: {
      operationId: 'stopRunByTag',
      tags: ['runs'],
      summary: 'Stop the newest run of a tag',
      description: 'As stopRun: answers once the intent is durable; a finished run is a 409.',
      params: tagParams,
      querystring: noQuery,
      body: stopTagBody,
      response: {
        200: stopTagAnswer,
        ...problems(...WRITING, 'NOT_FOUND_RUN', 'STATE_TERMINAL', 'STATE_TRANSITION_INVALID'),
      },
    },
    handler: async ({ params, body }) => {
      const run = await ending.stopByTag(params.tag, body.actor ?? NOBODY)
      return { status: 'stopped', tag: params.tag, run: runView(run) }
    },
  })
}

function addStopAll(app: RouteApp, { ending }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/stop-all',
    schema: {
      operationId: 'stopAllRuns',
      tags: ['runs'],
      summary: 'Stop every run that is not finished',
      description:
        'Runs that wait, work, or wait for review, all or those whose tag starts so. Runs created after the request came are left alone. Repeating it is harmless.',
      querystring: noQuery,
      body: stopAllBody,
      response: { 200: stopAllAnswer, ...problems(...WRITING) },
    },
    handler: async ({ body }) => stoppedView(await ending.stopAll(body.tag_prefix, body.actor ?? NOBODY)),
  })
}

function addDelete(app: RouteApp, { ending }: ApiDeps): void {
  app.route({
    method: 'DELETE',
    url: '/api/v1/runs/:id',
    schema: {
      operationId: 'deleteRun',
      tags: ['runs'],
      summary: 'Delete a finished run',
      description:
        'The run is shown no more, and its sandbox and its home are removed. Its events stay readable by its id, for auditors. Deleting it again is harmless; a run that is not finished is a 409.',
      params: idParams,
      querystring: noQuery,
      response: {
        200: deletedAnswer,
        ...problems(
          ...READING,
          ...WITH_BODY,
          'POLICY_AGENT_CALLER',
          'NOT_FOUND_RUN',
          'STATE_TRANSITION_INVALID',
        ),
      },
    },
    handler: async ({ params, principal }) => {
      await ending.delete(idOr404(params.id, 'NOT_FOUND_RUN'), principal.id)
      return { success: true }
    },
  })
}
