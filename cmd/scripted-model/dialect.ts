/** What the three HTTP dialects have in common: a request in our words, an answer in our words, SSE frames. */
import type { ScriptedUsage, Step } from './scenario.ts'
import type { CliToolCall, OfferedTool } from './tools.ts'

/** A model request, as far as a script cares. */
export interface ModelRequest {
  readonly model: string
  readonly stream: boolean
  readonly tools: readonly OfferedTool[]
  /** How often the model has spoken in this conversation. */
  readonly spoken: number
  /** Where the CLI says it works; null: it does not say. */
  readonly cwd: string | null
  /** The text of the last message that is not the model's. */
  readonly said: string
}

/** One answer, its tool calls already in the words of the calling CLI. */
export interface ModelReply {
  readonly id: string
  readonly model: string
  readonly thinking: string | null
  readonly text: string | null
  readonly calls: readonly CliToolCall[]
  readonly usage: ScriptedUsage
  readonly chunkChars: number
}

/** One server-sent event. */
export interface Frame {
  readonly event: string | null
  readonly data: string
}

export interface Dialect {
  /** @throws Error naming what the body lacks */
  parse(body: unknown): ModelRequest
  /** The answer as a stream. */
  frames(reply: ModelReply): Frame[]
  /** The answer in one piece. */
  whole(reply: ModelReply): unknown
  error(error: NonNullable<Step['error']>): unknown
}

export const frame = (value: object, event: string | null = null): Frame => ({
  event,
  data: JSON.stringify(value),
})

/** Cuts a text into pieces of at most `size` code units; a surrogate pair is never split. */
export function chunks(text: string, size: number): string[] {
  const pieces: string[] = []
  let piece = ''
  for (const character of text) {
    if (piece !== '' && piece.length + character.length > size) {
      pieces.push(piece)
      piece = ''
    }
    piece += character
  }
  return piece === '' ? pieces : [...pieces, piece]
}

/** The folder a CLI names in its system prompt. */
export function workingDirectory(texts: readonly string[]): string | null {
  for (const text of texts) {
    const named =
      /working directory:\s*([^\n<]+)/i.exec(text)?.[1] ?? /<cwd>([^<]+)<\/cwd>/.exec(text)?.[1] ?? null
    if (named !== null) return named.trim()
  }
  return null
}
