/** What the agent of a run waits for a person to say, and the answer. */
import { AppError } from '../../internal/errors.ts'
import type { InteractionKind } from '../../internal/interaction/interaction.ts'
import type { ApiDeps, InteractionUseCases } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { checkRepeatedId, idOr404, idParams, NOBODY, noQuery } from '../schemas/common.ts'
import {
  answerBody,
  answerFrom,
  interactionAnswer,
  interactionParams,
  interactionsAnswer,
  interactionView,
} from '../schemas/interaction.ts'
import { problems, READING, WRITING } from '../schemas/problem.ts'

export function addInteractionRoutes(app: RouteApp, deps: ApiDeps): void {
  addList(app, deps)
  addAnswer(app, deps)
}

function addList(app: RouteApp, { interactions }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id/interactions',
    schema: {
      operationId: 'listRunInteractions',
      tags: ['interactions'],
      summary: 'List what a run asks and asked',
      description:
        'Permission requests and questions, oldest first. Whoever reads them counts as somebody who may answer: then the next ones wait for their deadline.',
      params: idParams,
      querystring: noQuery,
      response: { 200: interactionsAnswer, ...problems(...READING, 'NOT_FOUND_RUN') },
    },
    handler: async (request) => {
      const list = await interactions.list(idOr404(request.params.id, 'NOT_FOUND_RUN'))
      return { interactions: list.map(interactionView) }
    },
  })
}

function addAnswer(app: RouteApp, { interactions }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/:id/interactions/:interaction_id/answer',
    schema: {
      operationId: 'answerRunInteraction',
      tags: ['interactions'],
      summary: 'Answer what a run asks',
      description:
        'Allows or denies a permission, or answers a question. The same answer again is a 200; another one, or one that comes too late, is a 409 and changes nothing.',
      params: interactionParams,
      querystring: noQuery,
      body: answerBody,
      response: {
        200: interactionAnswer,
        ...problems(...WRITING, 'NOT_FOUND_RUN', 'NOT_FOUND_INTERACTION', 'STATE_INTERACTION_CLOSED'),
      },
    },
    handler: async ({ params, body }) => {
      const runId = idOr404(params.id, 'NOT_FOUND_RUN')
      const id = idOr404(params.interaction_id, 'NOT_FOUND_INTERACTION')
      checkRepeatedId(runId, body.run_id, 'run_id')
      const answer = await answerFrom(body, () => kindOf(interactions, runId, id))
      const answered = await interactions.answer(runId, id, answer, body.actor ?? NOBODY)
      return { interaction: interactionView(answered) }
    },
  })
}

async function kindOf(
  interactions: InteractionUseCases,
  runId: string,
  id: string,
): Promise<InteractionKind> {
  const found = (await interactions.list(runId)).find((interaction) => interaction.id === id)
  if (found) return found.kind
  throw new AppError('NOT_FOUND_INTERACTION', `Run ${runId} has no interaction ${id}.`)
}
