/** Telling the agent of a run more: continue, and what waits to be told. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { checkRepeatedId, idOr404, idParams, noQuery } from '../schemas/common.ts'
import { pageFrom, pageView } from '../schemas/page.ts'
import { problems, READING, WITH_BODY, WRITING } from '../schemas/problem.ts'
import {
  continueAnswer,
  continueBody,
  editInputBody,
  inputAnswer,
  inputParams,
  inputsAnswer,
  inputView,
  listInputsQuery,
} from '../schemas/run-input.ts'
import { runView } from '../schemas/run-view.ts'

const ONE_INPUT = ['NOT_FOUND_RUN', 'NOT_FOUND_INPUT', 'STATE_INPUT_DELIVERED'] as const

export function addRunInputRoutes(app: RouteApp, deps: ApiDeps): void {
  addContinue(app, deps)
  addList(app, deps)
  addEdit(app, deps)
  addCancel(app, deps)
}

function addContinue(app: RouteApp, { conversation }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/:id/continue',
    schema: {
      operationId: 'continueRun',
      tags: ['runs'],
      summary: 'Tell the agent more',
      description:
        'Queues the message for a turn of its own after this one, or steers the running turn with it. A run that is finished or waits for review goes on in the session it had.',
      params: idParams,
      querystring: noQuery,
      body: continueBody,
      response: {
        202: continueAnswer,
        ...problems(
          ...WRITING,
          'NOT_FOUND_RUN',
          'NOT_FOUND_TASK',
          'STATE_TRANSITION_INVALID',
          'RUNNER_CAPABILITY',
        ),
      },
    },
    handler: async ({ params, body, reservation }, reply) => {
      const id = idOr404(params.id, 'NOT_FOUND_RUN')
      checkRepeatedId(id, body.run_id, 'run_id')
      const request = { message: body.message, delivery: body.delivery ?? 'queue', actor: body.actor }
      const { run, input } = await conversation.continue(id, request, reservation?.subjectId)
      return reply.code(202).send({ success: true, run: runView(run), input: inputView(input) })
    },
  })
}

function addList(app: RouteApp, { conversation }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/inputs',
    schema: {
      operationId: 'listRunInputs',
      tags: ['runs'],
      summary: 'List what the agent was and will be told',
      description:
        'Prompt, continuations and comments of reviewers, oldest first. Go on with next_page_token.',
      params: idParams,
      querystring: listInputsQuery,
      response: { 200: inputsAnswer, ...problems(...READING, 'NOT_FOUND_RUN') },
    },
    handler: async ({ params, query }) => {
      const page = await conversation.inputs(idOr404(params.id, 'NOT_FOUND_RUN'), pageFrom(query))
      return { inputs: page.items.map(inputView), ...pageView(page) }
    },
  })
}

function addEdit(app: RouteApp, { conversation }: ApiDeps): void {
  app.route({
    method: 'PATCH',
    url: '/api/v1/runs/:id/inputs/:input_id',
    schema: {
      operationId: 'editRunInput',
      tags: ['runs'],
      summary: 'Reword a queued input',
      description: 'Only while it is queued: what the agent got, or what was cancelled, is a 409.',
      params: inputParams,
      querystring: noQuery,
      body: editInputBody,
      response: { 200: inputAnswer, ...problems(...WRITING, ...ONE_INPUT) },
    },
    handler: async ({ params, body }) => {
      const id = idOr404(params.id, 'NOT_FOUND_RUN')
      checkRepeatedId(id, body.run_id, 'run_id')
      const input = await conversation.editInput(
        id,
        idOr404(params.input_id, 'NOT_FOUND_INPUT'),
        body.message,
      )
      return { input: inputView(input) }
    },
  })
}

function addCancel(app: RouteApp, { conversation }: ApiDeps): void {
  app.route({
    method: 'DELETE',
    url: '/api/v1/runs/:id/inputs/:input_id',
    schema: {
      operationId: 'cancelRunInput',
      tags: ['runs'],
      summary: 'Cancel a queued input',
      description:
        'It stays in the list as cancelled. Repeating it is harmless; what the agent got is a 409.',
      params: inputParams,
      querystring: noQuery,
      response: {
        200: inputAnswer,
        ...problems(...READING, ...WITH_BODY, 'POLICY_AGENT_CALLER', ...ONE_INPUT),
      },
    },
    handler: async ({ params }) => {
      const id = idOr404(params.id, 'NOT_FOUND_RUN')
      const input = await conversation.cancelInput(id, idOr404(params.input_id, 'NOT_FOUND_INPUT'))
      return { input: inputView(input) }
    },
  })
}
