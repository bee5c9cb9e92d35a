/**
 * What a reader knows of a run after some of its events. One function for live and for replayed events: an event
 * that was seen already changes nothing, so a reader that reconnects may feed it whatever comes.
 */
import type { EventPayloads } from '../../internal/event/event.ts'

/** An event as it is on the wire. It has one payload member; types that are not known here are only counted. */
export interface WireEvent extends Partial<EventPayloads> {
  readonly run_id: string
  readonly sequence: number
  readonly turn: number
  readonly attempt: number
}

export interface ConversationMessage {
  /** Of the event that told it. */
  readonly sequence: number
  readonly turn: number
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: string
  /** The input that was handed over; null for what the agent says. */
  readonly inputId: string | null
}

export interface OpenInteraction {
  readonly id: string
  readonly kind: 'permission' | 'question'
  readonly toolName: string | null
  readonly sequence: number
}

export interface RunUsage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cacheReadTokens: number
  readonly cacheCreationTokens: number
  /** Sum of what is known; null: nothing is. */
  readonly totalCostUsd: number | null
}

export interface RunState {
  /** The cursor to go on from. */
  readonly lastSequence: number
  /** As events say it: `running`, `needs_review`; null before the first status. */
  readonly status: string | null
  readonly statusReason: string | null
  readonly phase: string | null
  /** 0 to 100. */
  readonly progressPercent: number
  readonly currentAction: string | null
  readonly turn: number
  readonly attempt: number
  /** What was said, oldest first; the newest `MAX_MESSAGES`. */
  readonly messages: readonly ConversationMessage[]
  readonly pendingInteractions: readonly OpenInteraction[]
  readonly usage: RunUsage
  readonly lastError: EventPayloads['error'] | null
}

export const MAX_MESSAGES = 1000

/** Before the first event. */
export const NO_EVENTS: RunState = {
  lastSequence: 0,
  status: null,
  statusReason: null,
  phase: null,
  progressPercent: 0,
  currentAction: null,
  turn: 1,
  attempt: 0,
  messages: [],
  pendingInteractions: [],
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheCreationTokens: 0, totalCostUsd: null },
  lastError: null,
}

/** The state after an event of the same run. Pure; what it is given stays as it is. */
export function reduceRun(state: RunState, event: WireEvent): RunState {
  if (event.sequence <= state.lastSequence) return state
  return {
    ...state,
    ...changes(state, event),
    lastSequence: event.sequence,
    turn: event.turn,
    attempt: event.attempt,
  }
}

function changes(state: RunState, event: WireEvent): Partial<RunState> {
  if (event.status) return { status: event.status.new_status, statusReason: event.status.reason }
  if (event.progress) return progress(event.progress)
  if (event.message) return { messages: said(state, event, { ...event.message, inputId: null }) }
  if (event.input) return { messages: handedOver(state, event, event.input) }
  if (event.interaction) return { pendingInteractions: asked(state, event, event.interaction) }
  if (event.cost) return { usage: spent(state.usage, event.cost) }
  if (event.error) return { lastError: event.error }
  return {}
}

const progress = (now: EventPayloads['progress']): Partial<RunState> => ({
  phase: now.phase,
  progressPercent: now.percent_complete,
  currentAction: now.current_action,
})

const said = (
  { messages }: RunState,
  { sequence, turn }: WireEvent,
  { role, content, inputId }: Pick<ConversationMessage, 'role' | 'content' | 'inputId'>,
): readonly ConversationMessage[] =>
  [...messages, { sequence, turn, role, content, inputId }].slice(-MAX_MESSAGES)

/** An input is part of the conversation once the agent has it; one that it gave back is not. */
function handedOver(
  state: RunState,
  event: WireEvent,
  input: EventPayloads['input'],
): readonly ConversationMessage[] {
  const messages = state.messages.filter(({ inputId }) => inputId !== input.input_id)
  if (input.status !== 'delivered') return messages
  return said({ ...state, messages }, event, {
    role: 'user',
    content: input.content,
    inputId: input.input_id,
  })
}

function asked(
  { pendingInteractions }: RunState,
  { sequence }: WireEvent,
  interaction: EventPayloads['interaction'],
): readonly OpenInteraction[] {
  const { interaction_id: id, kind, tool_name: toolName, status } = interaction
  const others = pendingInteractions.filter((open) => open.id !== id)
  return status === 'pending' ? [...others, { id, kind, toolName, sequence }] : others
}

const spent = (usage: RunUsage, cost: EventPayloads['cost']): RunUsage => ({
  inputTokens: usage.inputTokens + cost.input_tokens,
  outputTokens: usage.outputTokens + cost.output_tokens,
  cacheReadTokens: usage.cacheReadTokens + cost.cache_read_tokens,
  cacheCreationTokens: usage.cacheCreationTokens + cost.cache_creation_tokens,
  totalCostUsd:
    cost.total_cost_usd === null ? usage.totalCostUsd : (usage.totalCostUsd ?? 0) + cost.total_cost_usd,
})
