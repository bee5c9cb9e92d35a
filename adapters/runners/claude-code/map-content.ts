/** What the agent says and does: blocks of assistant messages, and the results of tools. No I/O. */
import type { z } from 'zod'
import { ourToolName } from './tool-names.ts'
import { log, type Signal, type TurnView, told } from './view.ts'
import {
  type assistantSchema,
  type Block,
  type ToolResultBlock,
  textBlock,
  thinkingBlock,
  toolResultBlock,
  toolUseBlock,
  type userSchema,
} from './wire.ts'

const MAX_OUTPUT_LENGTH = 256 * 1024
const MAX_ERROR_LENGTH = 2_000
const MAX_NOTE_LENGTH = 500

/** An assistant line: one block of it. What a sub-agent says is not told, what it does is. */
export function mapContent(view: TurnView, line: z.infer<typeof assistantSchema>, raw: string): Signal[] {
  const { content } = line.message
  if (line.is_api_error_message === true) {
    view.apiError = line.error ?? 'unknown'
    return [log('warn', `the model call failed: ${textOf(content).slice(0, MAX_ERROR_LENGTH)}`, raw)]
  }
  view.apiError = null
  const ofSubAgent = typeof line.parent_tool_use_id === 'string'
  return content.flatMap((block) => mapBlock(view, block, raw, ofSubAgent))
}

function mapBlock(view: TurnView, block: Block, raw: string, ofSubAgent: boolean): Signal[] {
  switch (block.type) {
    case 'text': {
      const text = textBlock.safeParse(block)
      if (!text.success || ofSubAgent || text.data.text === '') return []
      view.lastText = text.data.text
      return [told({ message: { role: 'assistant', content: text.data.text } }, raw)]
    }
    case 'thinking': {
      const thinking = thinkingBlock.safeParse(block)
      if (!thinking.success || ofSubAgent || thinking.data.thinking === '') return []
      return [told({ thinking: { text: thinking.data.thinking } }, raw)]
    }
    case 'redacted_thinking':
      return [] // nobody can read it
    case 'tool_use': {
      const call = toolUseBlock.safeParse(block)
      return call.success ? [toolCall(view, call.data, raw)] : []
    }
    default:
      return [log('debug', `claude-code: a block of the type ${block.type.slice(0, 100)}`, raw)]
  }
}

function toolCall(view: TurnView, call: z.infer<typeof toolUseBlock>, raw: string): Signal {
  const name = ourToolName(call.name)
  view.toolCalls += 1
  view.openTools.set(call.id, name)
  return told({ tool_call: { tool_name: name, input: call.input ?? {}, tool_call_id: call.id } }, raw)
}

/** A user line: results of tools, or what the CLI tells the agent by itself. */
export function mapResults(view: TurnView, line: z.infer<typeof userSchema>, raw: string): Signal[] {
  if (line.isReplay === true) return []
  const { content } = line.message
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content
  const results = blocks.flatMap((block) => {
    const result = toolResultBlock.safeParse(block)
    return result.success ? [toolResult(view, result.data, raw)] : []
  })
  const note = textOf(blocks)
  return note === ''
    ? results
    : [...results, log('debug', `the agent is told: ${note.slice(0, MAX_NOTE_LENGTH)}`, raw)]
}

function toolResult(view: TurnView, result: ToolResultBlock, raw: string): Signal {
  const { tool_use_id: id, content, is_error: isError } = result
  const name = view.openTools.get(id) ?? 'unknown'
  view.openTools.delete(id)
  const output = typeof content === 'string' ? content : outputOf(content ?? [])
  return told(
    {
      tool_result: {
        tool_name: name,
        tool_call_id: id,
        output: shorten(output),
        error: isError === true ? errorOf(output) : null,
        success: isError !== true,
      },
    },
    raw,
  )
}

const textOf = (blocks: readonly Block[]): string =>
  blocks
    .map((block) => textBlock.safeParse(block))
    .flatMap((text) => (text.success ? [text.data.text] : []))
    .join('\n')

/** Text as it is; of anything else (pictures, references) its type. */
const outputOf = (blocks: readonly Block[]): string =>
  blocks.map((block) => (block.type === 'text' ? textOf([block]) : `[${block.type}]`)).join('\n')

const errorOf = (output: string): string =>
  output.replaceAll(/<\/?tool_use_error>/g, '').slice(0, MAX_ERROR_LENGTH) || 'the tool failed'

const shorten = (output: string): string =>
  output.length <= MAX_OUTPUT_LENGTH
    ? output
    : `${output.slice(0, MAX_OUTPUT_LENGTH)}\n[${output.length - MAX_OUTPUT_LENGTH} more characters were left out]`
