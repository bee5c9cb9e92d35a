/**
 * Tools on the wire: the manifest that a chat reads to offer this service to its model. lowerCamelCase, as the
 * protocol has it; values of any type stand in an envelope that names their type, as its schema (protobuf) does.
 */
import { z } from 'zod'
import { timeOut } from './common.ts'

const text = (description: string) => z.string().meta({ description })

const valueOut = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({
    intValue: z.string().meta({ description: 'A whole number; 64 bits are a text in JSON.' }),
  }),
  z.strictObject({
    listValue: z.strictObject({ values: z.array(z.strictObject({ stringValue: z.string() })) }),
  }),
])

const parameterOut = z.strictObject({
  type: z.enum(['string', 'integer', 'array']),
  description: z.string(),
  enum: z.array(z.string()).optional(),
  default: valueOut.optional(),
  format: z.string().optional(),
  items: z.strictObject({ type: z.literal('string') }).optional(),
})

const asyncBehaviorOut = z
  .strictObject({
    statusPolling: z.strictObject({
      statusTool: text('The tool that tells the state.'),
      operationIdField: text("Where the operation's id stands in the first answer."),
      statusToolIdParam: z.string(),
      pollIntervalSeconds: z.int(),
      maxPollDurationSeconds: z.int(),
    }),
    completionConditions: z.strictObject({
      statusField: text('Path of the status in the answer of the status tool; the others likewise.'),
      successValues: z.array(z.string()),
      failureValues: z.array(z.string()),
      pendingValues: z.array(z.string()),
      errorField: z.string(),
      resultField: z.string(),
    }),
    progressTracking: z.strictObject({
      progressField: z.string(),
      messageField: z.string(),
      phaseField: z.string(),
    }),
    cancellation: z.strictObject({ cancelTool: z.string(), cancelToolIdParam: z.string() }),
  })
  .meta({ id: 'ToolAsyncBehavior', description: 'How to follow what a tool has started.' })

const metadataOut = z.strictObject({
  enabledByDefault: z.boolean(),
  requiresApproval: z.boolean().meta({ description: 'Ask a person before calling it.' }),
  timeoutSeconds: z.int(),
  rateLimitPerMinute: z.int(),
  costEstimate: z.enum(['low', 'medium', 'high']),
  longRunning: z.boolean(),
  idempotent: z.boolean(),
  modifiesState: z.boolean(),
  tags: z.array(z.string()),
  examples: z.array(
    z.strictObject({
      description: z.string(),
      input: z.strictObject({ fields: z.record(z.string(), valueOut) }),
    }),
  ),
  asyncBehavior: asyncBehaviorOut.optional(),
})

export const toolOut = z
  .strictObject({
    name: z.string(),
    description: text('Told to the model.'),
    category: z.string(),
    parameters: z.strictObject({
      type: z.literal('object'),
      properties: z.record(z.string(), parameterOut),
      required: z.array(z.string()),
    }),
    metadata: metadataOut,
  })
  .meta({ id: 'Tool', description: 'One thing that a chat may have done here.' })

export type ToolOut = z.output<typeof toolOut>

export const toolsAnswer = z
  .strictObject({
    protocolVersion: z.literal('1.0'),
    scenario: z.strictObject({ name: z.string(), version: z.string(), description: z.string() }),
    tools: z.array(toolOut),
    categories: z.array(
      z.strictObject({ id: z.string(), name: z.string(), description: z.string(), icon: z.string() }),
    ),
    generatedAt: timeOut('Now.'),
  })
  .meta({ id: 'ToolManifest', description: 'What a chat may have done here.' })

export type ToolCategory = z.output<typeof toolsAnswer>['categories'][number]

export const toolParams = z.strictObject({ name: z.string().meta({ description: 'As in the manifest.' }) })
