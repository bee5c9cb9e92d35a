/** Small readers and writers that several dialects share. */
import { z } from 'zod'
import type { CliToolCall } from './tools.ts'

const textPart = z.looseObject({ text: z.string() })

/** The text of a content member: a string, or an array of parts of which some carry text. */
export function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map((part) => textPart.safeParse(part))
    .flatMap((part) => (part.success ? [part.data.text] : []))
    .join('\n')
}

/** A call's arguments as the JSON text (or free text) that goes over the wire. */
export const inputText = (call: CliToolCall): string =>
  typeof call.input === 'string' ? call.input : JSON.stringify(call.input)
