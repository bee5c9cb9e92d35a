/** What opencode sends, as far as we read it. Everything else passes by. */
import { z } from 'zod'

export const eventSchema = z.looseObject({
  type: z.string(),
  properties: z.looseObject({ sessionID: z.string().optional() }).default({}),
})
export type OpencodeEvent = z.infer<typeof eventSchema>

export const errorSchema = z.looseObject({
  name: z.string(),
  data: z
    .looseObject({
      message: z.string().optional(),
      statusCode: z.number().optional(),
      isRetryable: z.boolean().optional(),
    })
    .default({}),
})
export type OpencodeError = z.infer<typeof errorSchema>

export const messageSchema = z.looseObject({
  id: z.string(),
  sessionID: z.string(),
  role: z.string(),
  /** Set on the answer of a compaction, which is not meant for anybody. */
  summary: z.unknown().optional(),
  providerID: z.string().optional(),
  modelID: z.string().optional(),
  finish: z.string().optional(),
  error: errorSchema.optional(),
  time: z.looseObject({ created: z.number() }).optional(),
})

const partBase = { id: z.string(), messageID: z.string(), sessionID: z.string() }

const textPart = z.looseObject({
  ...partBase,
  type: z.enum(['text', 'reasoning']),
  text: z.string(),
  time: z.looseObject({ end: z.number().optional() }).optional(),
})

const toolPart = z.looseObject({
  ...partBase,
  type: z.literal('tool'),
  tool: z.string(),
  callID: z.string(),
  state: z.looseObject({
    status: z.enum(['pending', 'running', 'completed', 'error']),
    input: z.unknown().optional(),
    output: z.string().optional(),
    error: z.string().optional(),
    metadata: z.looseObject({ exit: z.number().nullish() }).optional(),
  }),
})
export type ToolPart = z.infer<typeof toolPart>

const tokens = z.looseObject({
  input: z.number(),
  output: z.number(),
  reasoning: z.number().default(0),
  cache: z.looseObject({ read: z.number(), write: z.number() }).default({ read: 0, write: 0 }),
})

const stepFinishPart = z.looseObject({
  ...partBase,
  type: z.literal('step-finish'),
  reason: z.string().optional(),
  tokens,
  cost: z.number(),
})
export type StepFinishPart = z.infer<typeof stepFinishPart>

const stepStartPart = z.looseObject({ ...partBase, type: z.literal('step-start') })

export const partSchema = z.discriminatedUnion('type', [textPart, toolPart, stepFinishPart, stepStartPart])
export type OpencodePart = z.infer<typeof partSchema>

export const deltaSchema = z.looseObject({
  sessionID: z.string(),
  messageID: z.string(),
  partID: z.string(),
  field: z.string(),
  delta: z.string(),
})

export const statusSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('busy') }),
  z.looseObject({ type: z.literal('idle') }),
  z.looseObject({
    type: z.literal('retry'),
    attempt: z.number(),
    message: z.string(),
    next: z.number().optional(),
  }),
])

export const permissionSchema = z.looseObject({
  id: z.string(),
  sessionID: z.string(),
  permission: z.string(),
  patterns: z.array(z.string()).default([]),
  metadata: z.looseObject({}).default({}),
  /** The call that needs it. */
  tool: z.looseObject({ callID: z.string() }).optional(),
})
export type OpencodePermission = z.infer<typeof permissionSchema>

export const questionSchema = z.looseObject({
  id: z.string(),
  sessionID: z.string(),
  questions: z
    .array(
      z.looseObject({
        question: z.string(),
        header: z.string().optional(),
        options: z
          .array(z.looseObject({ label: z.string(), description: z.string().optional() }))
          .default([]),
        multiple: z.boolean().default(false),
      }),
    )
    .default([]),
})
export type OpencodeQuestion = z.infer<typeof questionSchema>

export const sessionSchema = z.looseObject({ id: z.string(), parentID: z.string().optional() })

/** One entry of GET /session/{id}/message. */
export const storedMessageSchema = z.looseObject({ info: messageSchema, parts: z.array(z.unknown()) })
