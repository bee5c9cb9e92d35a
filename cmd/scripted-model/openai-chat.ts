/** OpenAI Chat Completions, as opencode's `@ai-sdk/openai-compatible` speaks it. */
import { z } from 'zod'
import { chunks, type Dialect, type Frame, frame, type ModelReply, workingDirectory } from './dialect.ts'
import { contentText, inputText, lastText } from './wire.ts'

const bodySchema = z.looseObject({
  model: z.string(),
  stream: z.boolean().default(false),
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown().optional() })),
  tools: z.array(z.looseObject({ function: z.looseObject({ name: z.string() }) })).default([]),
})

const finishReason = (reply: ModelReply): string => (reply.calls.length > 0 ? 'tool_calls' : 'stop')

const usage = (reply: ModelReply) => ({
  prompt_tokens: reply.usage.input + reply.usage.cache_read,
  completion_tokens: reply.usage.output + reply.usage.thinking,
  total_tokens: reply.usage.input + reply.usage.cache_read + reply.usage.output + reply.usage.thinking,
  prompt_tokens_details: { cached_tokens: reply.usage.cache_read },
  completion_tokens_details: { reasoning_tokens: reply.usage.thinking },
})

const toolCalls = (reply: ModelReply) =>
  reply.calls.map((call, index) => ({
    index,
    id: call.id,
    type: 'function',
    function: { name: call.name, arguments: inputText(call) },
  }))

function frames(reply: ModelReply): Frame[] {
  const chunk = (delta: object, finish: string | null = null): Frame =>
    frame({
      id: reply.id,
      object: 'chat.completion.chunk',
      created: 0,
      model: reply.model,
      choices: [{ index: 0, delta, finish_reason: finish }],
    })
  return [
    chunk({ role: 'assistant', content: '' }),
    ...chunks(reply.thinking ?? '', reply.chunkChars).map((piece) => chunk({ reasoning_content: piece })),
    ...chunks(reply.text ?? '', reply.chunkChars).map((piece) => chunk({ content: piece })),
    ...toolCalls(reply).map((call) => chunk({ tool_calls: [call] })),
    chunk({}, finishReason(reply)),
    frame({
      id: reply.id,
      object: 'chat.completion.chunk',
      created: 0,
      model: reply.model,
      choices: [],
      usage: usage(reply),
    }),
    { event: null, data: '[DONE]' },
  ]
}

export const openaiChat: Dialect = {
  parse(body) {
    const request = bodySchema.parse(body)
    const texts = request.messages
      .filter((message) => message.role === 'system')
      .map((message) => contentText(message.content))
    return {
      model: request.model,
      stream: request.stream,
      tools: request.tools.map((tool) => ({ name: tool.function.name, kind: 'function' as const })),
      spoken: request.messages.filter((message) => message.role === 'assistant').length,
      cwd: workingDirectory(texts),
      said: lastText(request.messages),
    }
  },
  frames,
  whole: (reply) => ({
    id: reply.id,
    object: 'chat.completion',
    created: 0,
    model: reply.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: reply.text,
          ...(reply.thinking === null ? {} : { reasoning_content: reply.thinking }),
          ...(reply.calls.length === 0 ? {} : { tool_calls: toolCalls(reply) }),
        },
        finish_reason: finishReason(reply),
      },
    ],
    usage: usage(reply),
  }),
  error: (error) => ({
    error: { message: error.message, type: 'scripted_error', code: error.code ?? null, param: null },
  }),
}
