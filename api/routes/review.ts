/** What a run would change, and the decision about it. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { checkRepeatedId, idOr404, idParams, noQuery } from '../schemas/common.ts'
import { problems, READING, WRITING } from '../schemas/problem.ts'
import {
  approveAnswer,
  approveBody,
  diffAnswer,
  diffQuery,
  diffView,
  rejectAnswer,
  rejectBody,
  resultView,
} from '../schemas/review.ts'
import { runView } from '../schemas/run-view.ts'

const SANDBOX = ['SANDBOX_OPERATION', 'SANDBOX_UNAVAILABLE'] as const

export function addReviewRoutes(app: RouteApp, deps: ApiDeps): void {
  addDiff(app, deps)
  addApprove(app, deps)
  addReject(app, deps)
}

function addDiff(app: RouteApp, { review }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/diff',
    schema: {
      operationId: 'getRunDiff',
      tags: ['review'],
      summary: 'Get the diff of a run',
      description: 'What the run changed in its sandbox. Approve with its digest.',
      params: idParams,
      querystring: diffQuery,
      response: {
        200: diffAnswer,
        ...problems(...READING, 'NOT_FOUND_RUN', 'STATE_NO_DIFF', 'NOT_IMPLEMENTED', ...SANDBOX),
      },
    },
    handler: async (request) => diffView(await review.diff(idOr404(request.params.id, 'NOT_FOUND_RUN'))),
  })
}

function addApprove(app: RouteApp, { review }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/:id/approve',
    schema: {
      operationId: 'approveRun',
      tags: ['review'],
      summary: 'Approve the changes of a run',
      description:
        'Applies the whole diff to the project and commits it where wanted. No body at all approves everything. A diff that is not the reviewed one is refused, and so is a project that has moved on.',
      params: idParams,
      querystring: noQuery,
      body: approveBody,
      response: {
        200: approveAnswer,
        ...problems(
          ...WRITING,
          'NOT_FOUND_RUN',
          'STATE_TRANSITION_INVALID',
          'STATE_TERMINAL',
          'STATE_DIFF_CHANGED',
          'STATE_NO_DIFF',
          'STATE_CONFLICT',
          'SANDBOX_CAPABILITY',
          'STATE_PROJECT_DIRTY',
          ...SANDBOX,
        ),
      },
    },
    handler: async (request) => {
      const { body } = request
      const id = idOr404(request.params.id, 'NOT_FOUND_RUN')
      checkRepeatedId(id, body.run_id, 'run_id')
      const { result, run } = await review.approve(id, {
        actor: body.actor,
        commitMessage: body.commit_msg || null,
        createCommit: body.create_commit,
        digest: body.digest,
      })
      return { result: resultView(result), run: runView(run) }
    },
  })
}

function addReject(app: RouteApp, { review }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/:id/reject',
    schema: {
      operationId: 'rejectRun',
      tags: ['review'],
      summary: 'Reject the changes of a run',
      description: 'Nothing is applied; the run ends complete and rejected.',
      params: idParams,
      querystring: noQuery,
      body: rejectBody,
      response: {
        200: rejectAnswer,
        ...problems(...WRITING, 'NOT_FOUND_RUN', 'STATE_TRANSITION_INVALID', 'STATE_TERMINAL', ...SANDBOX),
      },
    },
    handler: async (request) => {
      const { body } = request
      const id = idOr404(request.params.id, 'NOT_FOUND_RUN')
      checkRepeatedId(id, body.run_id, 'run_id')
      const run = await review.reject(id, { actor: body.actor, reason: body.reason || null })
      return { status: 'rejected', run: runView(run) }
    },
  })
}
