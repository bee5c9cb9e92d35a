/**
 * The conversation of a run as a person saw it, rebuilt from its events alone: what was told, said, thought, done
 * and asked, each entry at the number of the event that began it, with what became of it. Pure.
 */
import type { EventPayloads, StoredEvent } from '../event/event.ts'

interface Begun {
  /** Number of the event that began it: the cursor of pages. */
  readonly sequence: number
  readonly turn: number
  readonly attempt: number
  readonly createdAt: Date
}

export interface TextEntry extends Begun {
  readonly kind: 'text'
  readonly role: 'user' | 'assistant' | 'system'
  readonly text: string
  /** Where it came from, for what the agent was told; null: the agent said it. */
  readonly input: { readonly id: string; readonly source: string; readonly delivery: string } | null
}

export interface ThinkingEntry extends Begun {
  readonly kind: 'thinking'
  readonly text: string
}

export interface ToolCallEntry extends Begun {
  readonly kind: 'tool_call'
  readonly toolCallId: string
  readonly toolName: string
  readonly input: unknown
  /** null: not there (yet). */
  readonly result: {
    readonly sequence: number
    readonly output: string
    readonly error: string | null
    readonly success: boolean
  } | null
}

export interface InteractionEntry extends Begun {
  readonly kind: 'interaction'
  readonly interactionId: string
  readonly asks: 'permission' | 'question'
  readonly toolName: string | null
  /** What it is about; null where nobody was there to be asked. */
  readonly detail: string | null
  /** null: it waits. */
  readonly outcome: {
    readonly sequence: number
    readonly status: string
    readonly decision: string | null
    readonly decidedBy: string | null
    /** What the person said with it. */
    readonly reason: string | null
  } | null
}

export type TranscriptEntry = TextEntry | ThinkingEntry | ToolCallEntry | InteractionEntry

/** Payload members that a transcript is made of. */
export const TRANSCRIPT_NAMES = [
  'input',
  'message',
  'thinking',
  'tool_call',
  'tool_result',
  'interaction',
] as const
/** Those of them that say what became of an earlier entry. */
export const CLOSING_NAMES = ['input', 'tool_result', 'interaction'] as const

/** Whether something is still to come of it. */
export const isOpen = (entry: TranscriptEntry): boolean =>
  (entry.kind === 'tool_call' && entry.result === null) ||
  (entry.kind === 'interaction' && entry.outcome === null)

/**
 * @param events of one run in order; others than TRANSCRIPT_NAMES are skipped. What closes an entry that began
 * before the first of them is skipped too.
 */
export function transcriptOf(events: readonly StoredEvent[]): TranscriptEntry[] {
  const entries = new Map<string, TranscriptEntry>()
  for (const event of events) fold(entries, event)
  return [...entries.values()]
}

/** Entries by a key that what closes them knows too. */
type Entries = Map<string, TranscriptEntry>

function fold(entries: Entries, event: StoredEvent): void {
  const payload: Partial<EventPayloads> = JSON.parse(event.payloadText)
  const { message, thinking } = payload
  const { seq: sequence, turn, attempt, createdAt } = event
  const begun = { sequence, turn, attempt, createdAt }
  if (message) {
    const { role, content: text } = message
    entries.set(`${sequence}`, { ...begun, kind: 'text', role, text, input: null })
  }
  if (thinking) entries.set(`${sequence}`, { ...begun, kind: 'thinking', text: thinking.text })
  if (payload.input) foldInput(entries, begun, payload.input)
  if (payload.tool_call) foldCall(entries, begun, payload.tool_call)
  if (payload.tool_result) foldResult(entries, begun, payload.tool_result)
  if (payload.interaction) foldInteraction(entries, begun, payload.interaction)
}

function foldInput(entries: Entries, begun: Begun, input: EventPayloads['input']): void {
  const { input_id: id, source, delivery, status, content: text } = input
  // A turn that starts over tells it again: both times it was told.
  const key = `input ${id} ${begun.attempt}`
  if (status === 'delivered')
    entries.set(key, { ...begun, kind: 'text', role: 'user', text, input: { id, source, delivery } })
  // Put back: the agent never heard it.
  else if (status === 'queued') entries.delete(key)
}

/** Ids of calls are the agent's own: another attempt or turn may use them again. */
const callKey = ({ turn, attempt }: Begun, id: string): string => `call ${turn} ${attempt} ${id}`

function foldCall(entries: Entries, begun: Begun, call: EventPayloads['tool_call']): void {
  const { tool_call_id: toolCallId, tool_name: toolName, input } = call
  const key = callKey(begun, toolCallId)
  // Some agents say again what a call is about as it goes on.
  const before = entries.get(key)
  const at = before ?? begun
  const result = before?.kind === 'tool_call' ? before.result : null
  const { sequence, turn, attempt, createdAt } = at
  entries.set(key, {
    sequence,
    turn,
    attempt,
    createdAt,
    kind: 'tool_call',
    toolCallId,
    toolName,
    input,
    result,
  })
}

function foldResult(entries: Entries, begun: Begun, result: EventPayloads['tool_result']): void {
  const key = callKey(begun, result.tool_call_id)
  const call = entries.get(key)
  if (call?.kind !== 'tool_call') return
  const { output, error, success } = result
  entries.set(key, { ...call, result: { sequence: begun.sequence, output, error, success } })
}

function foldInteraction(entries: Entries, begun: Begun, told: EventPayloads['interaction']): void {
  const { interaction_id: id, status, decision, decided_by: decidedBy, reason } = told
  const outcome = { sequence: begun.sequence, status, decision, decidedBy, reason }
  const before = entries.get(`interaction ${id}`)
  if (before?.kind === 'interaction') {
    entries.set(`interaction ${id}`, { ...before, outcome })
    return
  }
  const isUnattended = status === 'expired' && reason === 'unattended'
  if (status !== 'pending' && !isUnattended) return
  entries.set(`interaction ${id}`, {
    ...begun,
    kind: 'interaction',
    interactionId: id,
    asks: told.kind,
    toolName: told.tool_name,
    // An open one says in its reason what it is about.
    detail: isUnattended ? null : reason,
    outcome: isUnattended ? outcome : null,
  })
}
