/** The agent programs: what they can do, whether they work here, which models they take. */
import { z } from 'zod'
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { noQuery } from '../schemas/common.ts'
import { problems, READING, WRITING } from '../schemas/problem.ts'
import {
  probeAnswer,
  probeParams,
  probeView,
  runnerModelsAnswer,
  runnerModelsView,
  runnersAnswer,
  runnersView,
  runnerTypeFrom,
} from '../schemas/runner.ts'

export function addRunnerRoutes(app: RouteApp, deps: ApiDeps): void {
  addList(app, deps)
  addProbe(app, deps)
  addModels(app, deps)
}

function addList(app: RouteApp, { runners }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runners',
    schema: {
      operationId: 'listRunners',
      tags: ['runners'],
      summary: 'List runners',
      description:
        'Each agent program with its version here and what it can do. What it cannot do is refused.',
      querystring: noQuery,
      response: { 200: runnersAnswer, ...problems(...READING) },
    },
    handler: async () => runnersView(await runners.list()),
  })
}

function addProbe(app: RouteApp, { runners }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runners/:runner_type/probe',
    schema: {
      operationId: 'probeRunner',
      tags: ['runners'],
      summary: 'Try a runner',
      description:
        'Looks for the program, its version, a key or login, and starts it once in a container as a run would; no model is asked. Takes seconds, at most half a minute. Answers 200 with what was found, good or bad.',
      params: probeParams,
      querystring: noQuery,
      body: z.strictObject({}),
      response: { 200: probeAnswer, ...problems(...WRITING) },
    },
    handler: async ({ params }) => probeView(await runners.check(runnerTypeFrom(params.runner_type))),
  })
}

function addModels(app: RouteApp, { runners }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runner-models',
    schema: {
      operationId: 'listRunnerModels',
      tags: ['runners'],
      summary: 'List models',
      description:
        'What `model` of a profile may surely say here: names that the programs know by themselves, and models of their configuration.',
      querystring: noQuery,
      response: { 200: runnerModelsAnswer, ...problems(...READING) },
    },
    handler: async () => runnerModelsView(await runners.list()),
  })
}
