/** OpenAI Responses, as codex speaks it. */
import { z } from 'zod'
import { chunks, type Dialect, type Frame, frame, type ModelReply, workingDirectory } from './dialect.ts'
import { contentText, inputText, lastText } from './wire.ts'

const itemSchema = z.looseObject({
  type: z.string().default('message'),
  role: z.string().optional(),
  content: z.unknown().optional(),
})

const bodySchema = z.looseObject({
  model: z.string(),
  stream: z.boolean().default(false),
  instructions: z.string().nullish(),
  input: z.union([z.string(), z.array(itemSchema)]),
  tools: z.array(z.looseObject({ type: z.string(), name: z.string().optional() })).default([]),
})

type Item = z.infer<typeof itemSchema>

const isOfModel = (item: Item): boolean =>
  item.role === 'assistant' || ['reasoning', 'function_call', 'custom_tool_call'].includes(item.type)

/** Items of one answer stand next to each other: the runs of them are the times the model has spoken. */
const timesSpoken = (items: readonly Item[]): number =>
  items.filter((item, index) => {
    const before = items[index - 1]
    return isOfModel(item) && (before === undefined || !isOfModel(before))
  }).length

const usage = (reply: ModelReply) => ({
  input_tokens: reply.usage.input + reply.usage.cache_read,
  input_tokens_details: { cached_tokens: reply.usage.cache_read },
  output_tokens: reply.usage.output + reply.usage.thinking,
  output_tokens_details: { reasoning_tokens: reply.usage.thinking },
  total_tokens: reply.usage.input + reply.usage.cache_read + reply.usage.output + reply.usage.thinking,
})

/** One output item: empty, then the deltas (event type and member), then whole. */
interface Output {
  readonly open: object
  readonly whole: object
  readonly deltas: readonly { readonly type: string; readonly more: object }[]
}

function outputs(reply: ModelReply): Output[] {
  const made: Output[] = []
  if (reply.thinking !== null) {
    const base = { type: 'reasoning', id: `rs_${reply.id}` }
    made.push({
      open: { ...base, summary: [] },
      whole: {
        ...base,
        summary: [{ type: 'summary_text', text: reply.thinking }],
        encrypted_content: 'scripted',
      },
      deltas: chunks(reply.thinking, reply.chunkChars).map((delta) => ({
        type: 'response.reasoning_summary_text.delta',
        more: { item_id: base.id, summary_index: 0, delta },
      })),
    })
  }
  if (reply.text !== null) {
    const base = { type: 'message', id: `msg_${reply.id}`, role: 'assistant' }
    made.push({
      open: { ...base, content: [] },
      whole: { ...base, content: [{ type: 'output_text', text: reply.text, annotations: [] }] },
      deltas: chunks(reply.text, reply.chunkChars).map((delta) => ({
        type: 'response.output_text.delta',
        more: { item_id: base.id, content_index: 0, delta },
      })),
    })
  }
  for (const call of reply.calls) {
    const base = { id: `item_${call.id}`, call_id: call.id, name: call.name }
    const whole =
      call.kind === 'custom'
        ? { type: 'custom_tool_call', ...base, input: inputText(call) }
        : { type: 'function_call', ...base, arguments: inputText(call) }
    made.push({ open: whole, whole, deltas: [] })
  }
  return made
}

function frames(reply: ModelReply): Frame[] {
  const named = (type: string, more: object): Frame => frame({ type, ...more }, type)
  return [
    named('response.created', { response: { id: reply.id, status: 'in_progress' } }),
    ...outputs(reply).flatMap((output, index) => [
      named('response.output_item.added', { output_index: index, item: output.open }),
      ...output.deltas.map((delta) => named(delta.type, { output_index: index, ...delta.more })),
      named('response.output_item.done', { output_index: index, item: output.whole }),
    ]),
    named('response.completed', { response: whole(reply) }),
  ]
}

const whole = (reply: ModelReply) => ({
  id: reply.id,
  object: 'response',
  status: 'completed',
  model: reply.model,
  output: outputs(reply).map((output) => output.whole),
  usage: usage(reply),
})

export const openaiResponses: Dialect = {
  parse(body) {
    const request = bodySchema.parse(body)
    const items = typeof request.input === 'string' ? [] : request.input
    return {
      model: request.model,
      stream: request.stream,
      tools: request.tools.flatMap((tool) =>
        tool.name === undefined
          ? []
          : [{ name: tool.name, kind: tool.type === 'custom' ? ('custom' as const) : ('function' as const) }],
      ),
      spoken: timesSpoken(items),
      cwd: workingDirectory([request.instructions ?? '', ...items.map((item) => contentText(item.content))]),
      said: typeof request.input === 'string' ? request.input : lastText(request.input),
    }
  },
  frames,
  whole,
  error: (error) => ({
    error: { message: error.message, type: 'scripted_error', code: error.code ?? null, param: null },
  }),
}
