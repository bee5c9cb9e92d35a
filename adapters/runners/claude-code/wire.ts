/** What the CLI prints, as far as we read it: one JSON object a line. Everything else passes by. */
import { z } from 'zod'

export const lineSchema = z.looseObject({ type: z.string(), subtype: z.string().optional() })
export type ClaudeLine = z.infer<typeof lineSchema>

const count = z
  .number()
  .nonnegative()
  .nullish()
  .transform((value) => value ?? 0)

export const tokensSchema = z.looseObject({
  input_tokens: count,
  output_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
})
export type Tokens = z.infer<typeof tokensSchema>

const block = z.looseObject({ type: z.string() })
export type Block = z.infer<typeof block>

export const textBlock = z.looseObject({ type: z.literal('text'), text: z.string() })
export const thinkingBlock = z.looseObject({ type: z.literal('thinking'), thinking: z.string() })
export const toolUseBlock = z.looseObject({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.unknown(),
})
export const toolResultBlock = z.looseObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  content: z.union([z.string(), z.array(block)]).nullish(),
  is_error: z.boolean().nullish(),
})
export type ToolResultBlock = z.infer<typeof toolResultBlock>

export const assistantSchema = z.looseObject({
  message: z.looseObject({ id: z.string(), content: z.array(block) }),
  parent_tool_use_id: z.string().nullish(),
  is_api_error_message: z.boolean().optional(),
  error: z.string().optional(),
  api_error_status: z.number().nullish(),
})

export const userSchema = z.looseObject({
  message: z.looseObject({ content: z.union([z.string(), z.array(block)]) }),
  isReplay: z.boolean().optional(),
})

export const streamSchema = z.looseObject({
  event: z.looseObject({
    type: z.string(),
    message: z.looseObject({ id: z.string(), model: z.string().optional(), usage: tokensSchema }).optional(),
    delta: z
      .looseObject({
        type: z.string().optional(),
        text: z.string().optional(),
        thinking: z.string().optional(),
      })
      .optional(),
    usage: tokensSchema.optional(),
  }),
  parent_tool_use_id: z.string().nullish(),
})

export const initSchema = z.looseObject({
  model: z.string().optional(),
  claude_code_version: z.string().optional(),
  mcp_servers: z.array(z.looseObject({ name: z.string(), status: z.string() })).default([]),
})
export type Init = z.infer<typeof initSchema>

export const retrySchema = z.looseObject({
  attempt: z.number(),
  max_retries: z.number().optional(),
  retry_delay_ms: z.number().default(0),
  error_status: z.number().nullish(),
  error: z.string().optional(),
})

export const rateLimitSchema = z.looseObject({
  rate_limit_info: z.looseObject({
    status: z.string(),
    resetsAt: z.number().optional(),
    rateLimitType: z.string().optional(),
  }),
})

export const deniedSchema = z.looseObject({ tool_name: z.string(), message: z.string().default('') })

const modelUsage = z.record(
  z.string(),
  z.looseObject({
    inputTokens: count,
    outputTokens: count,
    cacheReadInputTokens: count,
    cacheCreationInputTokens: count,
    costUSD: count,
  }),
)
export type ModelUsage = z.infer<typeof modelUsage>

export const resultSchema = z.looseObject({
  subtype: z.string(),
  is_error: z.boolean(),
  result: z.string().optional(),
  errors: z.array(z.string()).default([]),
  terminal_reason: z.string().nullish(),
  stop_reason: z.string().nullish(),
  api_error_status: z.number().nullish(),
  /** Messages of ours that it answers. */
  user_message_uuids: z.array(z.string()).optional(),
  usage: tokensSchema.optional(),
  modelUsage: modelUsage.default({}),
  /** What this result adds; older versions leave it out. */
  model_usage_since_last_result: modelUsage.optional(),
})
export type Result = z.infer<typeof resultSchema>

export const lifecycleSchema = z.looseObject({ command_uuid: z.string(), state: z.string() })

export const controlRequestSchema = z.looseObject({
  request_id: z.string(),
  request: z.looseObject({ subtype: z.string() }),
})
export type ControlRequest = z.infer<typeof controlRequestSchema>

export const canUseToolSchema = z.looseObject({
  subtype: z.literal('can_use_tool'),
  tool_name: z.string(),
  input: z.record(z.string(), z.unknown()),
  blocked_path: z.string().optional(),
  description: z.string().optional(),
})
export type CanUseTool = z.infer<typeof canUseToolSchema>

export const cancelSchema = z.looseObject({ request_id: z.string() })

export const controlResponseSchema = z.looseObject({
  response: z.looseObject({
    subtype: z.string(),
    request_id: z.string(),
    response: z.unknown(),
    error: z.string().optional(),
  }),
})
export type ControlAnswer = z.infer<typeof controlResponseSchema>

export const mcpStatusSchema = z.looseObject({
  mcpServers: z.array(z.looseObject({ name: z.string(), status: z.string(), error: z.string().optional() })),
})

export const questionsSchema = z.looseObject({
  questions: z.array(
    z.looseObject({
      question: z.string(),
      header: z.string().optional(),
      options: z.array(z.looseObject({ label: z.string(), description: z.string().optional() })).default([]),
      multiSelect: z.boolean().default(false),
    }),
  ),
})
