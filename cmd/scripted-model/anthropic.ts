/** Anthropic Messages, as claude-code speaks it. */
import { z } from 'zod'
import { chunks, type Dialect, type Frame, frame, type ModelReply, workingDirectory } from './dialect.ts'
import { contentText, inputText, lastText } from './wire.ts'

const bodySchema = z.looseObject({
  model: z.string(),
  stream: z.boolean().default(false),
  system: z.unknown().optional(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.unknown().optional() })),
  tools: z.array(z.looseObject({ name: z.string() })).default([]),
})

const stopReason = (reply: ModelReply): string => (reply.calls.length > 0 ? 'tool_use' : 'end_turn')

const usage = (reply: ModelReply) => ({
  input_tokens: reply.usage.input,
  cache_read_input_tokens: reply.usage.cache_read,
  cache_creation_input_tokens: 0,
  output_tokens: reply.usage.output + reply.usage.thinking,
})

const message = (reply: ModelReply, content: object[], stop: string | null) => ({
  id: reply.id,
  type: 'message',
  role: 'assistant',
  model: reply.model,
  content,
  stop_reason: stop,
  stop_sequence: null,
  usage: usage(reply),
})

/** A content block: how it opens, and the deltas that fill it. */
interface Block {
  readonly open: object
  readonly whole: object
  readonly deltas: readonly object[]
}

function blocks(reply: ModelReply): Block[] {
  const made: Block[] = []
  if (reply.thinking !== null)
    made.push({
      open: { type: 'thinking', thinking: '', signature: '' },
      whole: { type: 'thinking', thinking: reply.thinking, signature: 'scripted' },
      deltas: [
        ...chunks(reply.thinking, reply.chunkChars).map((piece) => ({
          type: 'thinking_delta',
          thinking: piece,
        })),
        { type: 'signature_delta', signature: 'scripted' },
      ],
    })
  if (reply.text !== null)
    made.push({
      open: { type: 'text', text: '' },
      whole: { type: 'text', text: reply.text },
      deltas: chunks(reply.text, reply.chunkChars).map((piece) => ({ type: 'text_delta', text: piece })),
    })
  for (const call of reply.calls)
    made.push({
      open: { type: 'tool_use', id: call.id, name: call.name, input: {} },
      whole: { type: 'tool_use', id: call.id, name: call.name, input: call.input },
      deltas: [{ type: 'input_json_delta', partial_json: inputText(call) }],
    })
  return made
}

const named = (value: { readonly type: string } & Readonly<Record<string, unknown>>): Frame =>
  frame(value, value.type)

const frames = (reply: ModelReply): Frame[] => [
  named({ type: 'message_start', message: message(reply, [], null) }),
  ...blocks(reply).flatMap((block, index) => [
    named({ type: 'content_block_start', index, content_block: block.open }),
    ...block.deltas.map((delta) => named({ type: 'content_block_delta', index, delta })),
    named({ type: 'content_block_stop', index }),
  ]),
  named({
    type: 'message_delta',
    delta: { stop_reason: stopReason(reply), stop_sequence: null },
    usage: usage(reply),
  }),
  named({ type: 'message_stop' }),
]

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}

/** What claude-code puts for the model where a prompt was never answered (2.1.329): no word of the model's. */
const UNANSWERED = 'No response requested.'

const isSpoken = ({ role, content }: { readonly role: string; readonly content?: unknown }): boolean =>
  role === 'assistant' && contentText(content).trim() !== UNANSWERED

export const anthropic: Dialect = {
  parse(body) {
    const request = bodySchema.parse(body)
    const first = request.messages[0]
    return {
      model: request.model,
      stream: request.stream,
      tools: request.tools.map((tool) => ({ name: tool.name, kind: 'function' as const })),
      spoken: request.messages.filter(isSpoken).length,
      cwd: workingDirectory([contentText(request.system), contentText(first?.content)]),
      said: lastText(request.messages),
    }
  },
  frames,
  whole: (reply) =>
    message(
      reply,
      blocks(reply).map((block) => block.whole),
      stopReason(reply),
    ),
  error: (error) => ({
    type: 'error',
    error: { type: error.code ?? ERROR_TYPES[error.status] ?? 'api_error', message: error.message },
  }),
}
