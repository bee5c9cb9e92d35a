/** Runs: create, retry, fork, list, get, stop, interrupt. */
import type { FastifyRequest } from 'fastify'
import type { ApiDeps } from '../deps.ts'
import { keyOfHeader } from '../plugins/idempotency.ts'
import type { RouteApp } from '../route-app.ts'
import { actorBody, checkRepeatedId, idOr404, idParams, NOBODY, noQuery } from '../schemas/common.ts'
import { dryRunAnswer, dryRunView } from '../schemas/dry-run.ts'
import { keyHeaders } from '../schemas/idempotency.ts'
import { pageFrom, pageView } from '../schemas/page.ts'
import { problems, READING, WRITING } from '../schemas/problem.ts'
import { getRunAnswer, listRunsAnswer, runAnswer, stopRunAnswer } from '../schemas/run.ts'
import {
  createRunBody,
  createRunQuery,
  filterFrom,
  forkBody,
  isDryRun,
  keyInBody,
  listRunsQuery,
  newRunFrom,
  retryBody,
} from '../schemas/run-request.ts'
import { getRunView, runView } from '../schemas/run-view.ts'

const ADMISSION = [
  'NOT_FOUND_TASK',
  'NOT_FOUND_PROFILE',
  'STATE_PROFILE_ARCHIVED',
  'VALIDATION_PROJECT_ROOT',
  'VALIDATION_SCOPE',
  'SANDBOX_GIT_LAYOUT',
  'RUNNER_UNAVAILABLE',
  'RUNNER_CAPABILITY',
  'POLICY_SANDBOX_REQUIRED',
  'SANDBOX_UNAVAILABLE',
] as const

export function addRunRoutes(app: RouteApp, deps: ApiDeps): void {
  addCreate(app, deps)
  addRetry(app, deps)
  addFork(app, deps)
  addList(app, deps)
  addGet(app, deps)
  addStop(app, deps)
  addInterrupt(app, deps)
}

function addCreate(app: RouteApp, { runs }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs',
    config: { idempotencyKeyOf: createRunKey },
    schema: {
      operationId: 'createRun',
      tags: ['runs'],
      summary: 'Create a run',
      description:
        'Checks what can be checked at once, then queues the run and answers; everything later fails the run. The idempotency key may stand in the body as well. With `dry_run=true` nothing is created: the answer is a 200 with everything that stands in the way.',
      headers: keyHeaders,
      querystring: createRunQuery,
      body: createRunBody,
      response: { 200: dryRunAnswer, 201: runAnswer, ...problems(...WRITING, ...ADMISSION) },
    },
    handler: async (request, reply) => {
      const wanted = newRunFrom(request.body, request.headers['idempotency-key'])
      if (request.query.dry_run) return reply.code(200).send(dryRunView(await runs.preflight(wanted)))
      const { run, replayed } = await runs.create(wanted, request.reservation?.subjectId)
      if (replayed) reply.header('idempotency-replayed', 'true')
      return reply.code(201).send({ run: runView(run) })
    },
  })
}

/** The header, or the member of the body that the original has; a dry run changes nothing. */
function createRunKey(request: FastifyRequest): string | null {
  if (isDryRun(request.query)) return null
  return keyOfHeader(request) ?? keyInBody(request.body)
}

function addRetry(app: RouteApp, { runs }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/:id/retry',
    schema: {
      operationId: 'retryRun',
      tags: ['runs'],
      summary: 'Repeat a finished run',
      description:
        'Makes a new run of the same task with the settings, the profile version, the prompt and the tag of this one, and `retry_of` this one. Admitted like any new run.',
      params: idParams,
      querystring: noQuery,
      body: retryBody,
      response: {
        201: runAnswer,
        ...problems(...WRITING, ...ADMISSION, 'NOT_FOUND_RUN', 'STATE_TRANSITION_INVALID'),
      },
    },
    handler: async ({ params, body, reservation }, reply) => {
      const id = idOr404(params.id, 'NOT_FOUND_RUN')
      checkRepeatedId(id, body.run_id, 'run_id')
      const change = { prompt: body.prompt || null, tag: body.tag }
      const run = await runs.retry(id, change, reservation?.subjectId)
      return reply.code(201).send({ run: runView(run) })
    },
  })
}

function addFork(app: RouteApp, { runs }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/:id/fork',
    schema: {
      operationId: 'forkRun',
      tags: ['runs'],
      summary: 'Go off from a turn of a run',
      description:
        'Makes a new run, `fork_of` this one, whose sandbox begins with the files as they were at the end of the turn and whose agent is told what was said until then. Its diff shows those changes too. This run stays as it is.',
      params: idParams,
      querystring: noQuery,
      body: forkBody,
      response: {
        201: runAnswer,
        ...problems(...WRITING, ...ADMISSION, 'NOT_FOUND_RUN', 'STATE_TRANSITION_INVALID', 'STATE_NO_DIFF'),
      },
    },
    handler: async ({ params, body, reservation }, reply) => {
      const id = idOr404(params.id, 'NOT_FOUND_RUN')
      checkRepeatedId(id, body.run_id, 'run_id')
      const request = { message: body.message || null, fromTurn: body.from_turn }
      const run = await runs.fork(id, request, reservation?.subjectId)
      return reply.code(201).send({ run: runView(run) })
    },
  })
}

function addList(app: RouteApp, { runs }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs',
    schema: {
      operationId: 'listRuns',
      tags: ['runs'],
      summary: 'List runs',
      description: 'Newest first. Pages hold still while runs are added: go on with next_page_token.',
      querystring: listRunsQuery,
      response: { 200: listRunsAnswer, ...problems(...READING) },
    },
    handler: async (request) => {
      const page = await runs.list(filterFrom(request.query), pageFrom(request.query))
      return { runs: page.items.map(runView), ...pageView(page) }
    },
  })
}

function addGet(app: RouteApp, { runs }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/runs/:id',
    schema: {
      operationId: 'getRun',
      tags: ['runs'],
      summary: 'Get a run',
      description: 'A run is shown final only after its last event is readable.',
      params: idParams,
      querystring: noQuery,
      response: { 200: getRunAnswer, ...problems(...READING, 'NOT_FOUND_RUN') },
    },
    handler: async (request) => getRunView(await runs.get(idOr404(request.params.id, 'NOT_FOUND_RUN'))),
  })
}

function addStop(app: RouteApp, { runs }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/:id/stop',
    schema: {
      operationId: 'stopRun',
      tags: ['runs'],
      summary: 'Stop a run',
      description:
        'Answers once the intent is durable; `stopping` is true until the run is cancelled. Repeating it is harmless; a finished run is a 409 and stays as it is.',
      params: idParams,
      querystring: noQuery,
      body: actorBody,
      response: { 200: stopRunAnswer, ...problems(...WRITING, 'NOT_FOUND_RUN', 'STATE_TERMINAL') },
    },
    handler: async (request) => {
      const id = idOr404(request.params.id, 'NOT_FOUND_RUN')
      checkRepeatedId(id, request.body.run_id, 'run_id')
      const run = await runs.stop(id, request.body.actor ?? NOBODY)
      return { status: 'stopped', run: runView(run) }
    },
  })
}

function addInterrupt(app: RouteApp, { conversation }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/runs/:id/interrupt',
    schema: {
      operationId: 'interruptRun',
      tags: ['runs'],
      summary: 'End the turn of a run',
      description:
        'Answers once the intent is durable. What the agent did so far is kept, and the run can be continued; a finished run is a 409.',
      params: idParams,
      querystring: noQuery,
      body: actorBody,
      response: {
        202: runAnswer,
        ...problems(...WRITING, 'NOT_FOUND_RUN', 'STATE_TERMINAL', 'STATE_TRANSITION_INVALID'),
      },
    },
    handler: async (request, reply) => {
      const id = idOr404(request.params.id, 'NOT_FOUND_RUN')
      checkRepeatedId(id, request.body.run_id, 'run_id')
      const run = await conversation.interrupt(id, request.body.actor ?? NOBODY)
      return reply.code(202).send({ run: runView(run) })
    },
  })
}
