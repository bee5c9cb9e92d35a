/**
 * Taking back tool calls that were never carried out. A CLI that is killed while it waits for a permission leaves its
 * last message unfinished; on `--resume` it would call the outcome unknown. Resumed at the message before, the model
 * makes the call again, and the answer that has come meanwhile is there for it. Tried on 2.1.329.
 */
import { createReadStream } from 'node:fs'
import { z } from 'zod'
import { readLines } from './lines.ts'

const MAX_LINE_BYTES = 8 * 1024 * 1024

const entrySchema = z.object({
  type: z.enum(['user', 'assistant']),
  uuid: z.string(),
  isSidechain: z.boolean().optional(),
  message: z.object({
    id: z.string().optional(),
    content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]),
  }),
})

type Entry = z.infer<typeof entrySchema>

/**
 * The message to resume at, or null: go on where the transcript ends. A call that may have been carried out is never
 * taken back: the last message must hold exactly as many calls as were waiting, or none, because the CLI was killed
 * before it wrote them down. A CLI whose pipe broke a moment before it was killed takes that for a refusal and may even
 * have told the model so: such a result is none.
 * @param transcript absolute path  @param waiting how many tool calls waited for a decision
 */
export async function rewindPoint(transcript: string, waiting: number): Promise<string | null> {
  if (waiting === 0) return null
  let seen: Seen = { uuid: null, last: null }
  for await (const line of readLines(createReadStream(transcript), MAX_LINE_BYTES)) {
    const entry = line.truncated ? null : entryOf(line.text)
    if (entry !== null && entry.isSidechain !== true) seen = after(seen, entry)
  }
  const { last } = seen
  if (last === null) return null
  return last.calls === waiting || (last.calls === 0 && !last.unheard) ? last.before : null
}

interface Seen {
  /** The newest message. */
  readonly uuid: string | null
  /** The model's message that nothing follows yet: what came before it, and how many calls it holds. */
  readonly last: {
    readonly id: string | undefined
    readonly before: string | null
    readonly calls: number
    /** Some of its calls have a result that only says that nobody was there to be asked. */
    readonly unheard: boolean
  } | null
}

function after(seen: Seen, { type, uuid, message }: Entry): Seen {
  if (type === 'user')
    return {
      uuid,
      last: seen.last !== null && isUnheard(message.content) ? { ...seen.last, unheard: true } : null,
    }
  // What the model says of a refusal that was none is taken back too, but not what it does then.
  if (seen.last?.unheard) return { uuid, last: callsIn(message.content) === 0 ? seen.last : null }
  // One line for each block of a message, all under its id.
  const goesOn = seen.last !== null && seen.last.id === message.id ? seen.last : null
  const calls = (goesOn?.calls ?? 0) + callsIn(message.content)
  const before = goesOn === null ? seen.uuid : goesOn.before
  return { uuid, last: { id: message.id, before, calls, unheard: false } }
}

const callsIn = (content: Entry['message']['content']): number =>
  typeof content === 'string' ? 0 : content.filter(({ type }) => type === 'tool_use').length

/** In the words of 2.1.329. */
const UNHEARD = /^Tool permission request failed:.*stream closed/i

const isUnheard = (content: Entry['message']['content']): boolean =>
  typeof content !== 'string' &&
  content.length > 0 &&
  content.every(
    (block) =>
      block.type === 'tool_result' &&
      block['is_error'] === true &&
      typeof block['content'] === 'string' &&
      UNHEARD.test(block['content']),
  )

function entryOf(text: string): Entry | null {
  if (!/"type":"(?:user|assistant)"/.test(text)) return null
  try {
    return entrySchema.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null // the last line of a killed process may be cut
  }
}
