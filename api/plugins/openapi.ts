/** The OpenAPI document, made from the schemas of the routes. */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { tidy } from './openapi-tidy.ts'

const DESCRIPTION = `Control plane for coding agents.

Members are snake_case; lowerCamelCase is accepted in requests. Enums are sent by full name
(\`RUN_STATUS_RUNNING\`) and accepted by short name too (\`running\`). Durations are sent as \`"1800s"\`. Every member
of an answer is present, \`null\` where unset. Unknown members and query parameters are refused. Every answer carries
\`X-Request-ID\`; errors are \`application/problem+json\`.`

const TAGS = [
  { name: 'profiles', description: 'Named, versioned settings of runs.' },
  { name: 'tasks', description: 'What someone wants done.' },
  { name: 'runs', description: 'Executions of tasks.' },
  { name: 'interactions', description: 'What agents ask a person, and the answers.' },
  { name: 'events', description: 'The log of a run.' },
  { name: 'review', description: 'What a run would change, and the decision about it.' },
  { name: 'artifacts', description: 'What a run leaves: diffs, transcripts.' },
  { name: 'runners', description: 'The agent programs.' },
  { name: 'tools', description: 'What a chat may offer to its model.' },
  { name: 'service', description: 'Health and this document.' },
]

/** To be registered before the routes. */
export async function addOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'agent-manager', version, description: DESCRIPTION, license: { name: 'MIT' } },
      tags: TAGS,
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
    convertConstToEnum: false,
  })
}

/** The document as text: two spaces, a final newline. Call it when all routes are registered. */
export const openApiText = (app: FastifyInstance): string =>
  `${JSON.stringify(tidy(app.swagger()), null, 2)}\n`
