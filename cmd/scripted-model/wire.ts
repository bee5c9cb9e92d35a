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

const resultPart = z.looseObject({ content: z.unknown() })

/** The text of the last entry of a conversation, that in results of tools included. */
export function lastText(entries: readonly { readonly content?: unknown }[]): string {
  const content = entries.at(-1)?.content
  const results = (Array.isArray(content) ? content : [])
    .map((part) => resultPart.safeParse(part))
    .flatMap((part) => (part.success ? [contentText(part.data.content)] : []))
  return [contentText(content), ...results].join('\n')
}

/** A call's arguments as the JSON text (or free text) that goes over the wire. */
export const inputText = (call: CliToolCall): string =>
  typeof call.input === 'string' ? call.input : JSON.stringify(call.input)
