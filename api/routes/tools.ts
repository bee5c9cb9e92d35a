/** Tools for chats: the manifest and single ones. Anybody may cache them for a minute, as the original's. */
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { noQuery } from '../schemas/common.ts'
import { problems, READING, WITH_BODY } from '../schemas/problem.ts'
import { toolOut, toolParams, toolsAnswer } from '../schemas/tool.ts'
import { agentTools, TOOL_CATEGORIES } from '../tools/agent-tools.ts'

const SCENARIO = {
  name: 'agent-manager',
  description: 'Runs coding agents in sandboxes, and has their changes approved before they land',
}

const nothing = z.void().meta({ description: 'Nothing.' })

export function addToolRoutes(app: RouteApp, deps: ApiDeps): void {
  addManifest(app, deps)
  addOne(app, deps)
  addPreflights(app)
}

const cacheable = (reply: FastifyReply): FastifyReply => reply.header('cache-control', 'public, max-age=60')

function addManifest(app: RouteApp, { runners, version }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/tools',
    schema: {
      operationId: 'listTools',
      tags: ['tools'],
      summary: 'Get the tool manifest',
      description: 'What a chat may offer to its model, and how it follows what a tool has started.',
      querystring: noQuery,
      response: { 200: toolsAnswer, ...problems(...READING) },
    },
    handler: async (_request, reply) =>
      cacheable(reply).send({
        protocolVersion: '1.0',
        scenario: { ...SCENARIO, version },
        tools: agentTools(runners.types),
        categories: TOOL_CATEGORIES,
        generatedAt: new Date().toISOString(),
      }),
  })
}

function addOne(app: RouteApp, { runners }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/tools/:name',
    schema: {
      operationId: 'getTool',
      tags: ['tools'],
      summary: 'Get a tool',
      description: 'One tool of the manifest.',
      params: toolParams,
      querystring: noQuery,
      response: { 200: toolOut, ...problems(...READING, 'NOT_FOUND_TOOL') },
    },
    handler: async ({ params }, reply) => {
      const tool = agentTools(runners.types).find(({ name }) => name === params.name)
      if (tool === undefined) {
        throw new AppError('NOT_FOUND_TOOL', `There is no tool ${params.name.slice(0, 100)}.`)
      }
      return cacheable(reply).send(tool)
    },
  })
}

function addPreflights(app: RouteApp): void {
  for (const [url, operationId] of [
    ['/api/v1/tools', 'optionsTools'],
    ['/api/v1/tools/:name', 'optionsTool'],
  ] as const) {
    app.route({
      method: 'OPTIONS',
      url,
      schema: {
        operationId,
        tags: ['tools'],
        summary: 'Ask what may be asked',
        description: 'Answers that GET may be called.',
        ...(url.endsWith(':name') && { params: toolParams }),
        response: { 204: nothing, ...problems(...READING, ...WITH_BODY) },
      },
      handler: async (_request, reply) => reply.code(204).header('allow', 'GET, HEAD, OPTIONS').send(),
    })
  }
}
