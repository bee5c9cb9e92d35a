/**
 * What the log holds. An event is one payload member under its name, exactly as it goes over the wire, so
 * that live and replayed events are the same bytes. Types and members are append-only; readers ignore what
 * they do not know.
 */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface EventPayloads {
  log: { level: LogLevel; message: string }
  message: { role: 'user' | 'assistant' | 'system'; content: string }
  thinking: { text: string }
  tool_call: { tool_name: string; input: unknown; tool_call_id: string }
  tool_result: {
    tool_name: string
    tool_call_id: string
    output: string
    error: string | null
    success: boolean
  }
  status: { old_status: string | null; new_status: string; reason: string | null }
  progress: { phase: string; percent_complete: number; current_action: string | null }
  metric: { name: string; value: number; unit: string | null; tags: Record<string, string> }
  cost: {
    input_tokens: number
    output_tokens: number
    cache_creation_tokens: number
    cache_read_tokens: number
    total_cost_usd: number | null
    model: string | null
    cost_source: 'runner_reported' | 'unknown'
  }
  artifact: { type: string; path: string; size: number; mime_type: string }
  error: { code: string; message: string; retryable: boolean; recovery: string | null; details: unknown }
  rate_limit: {
    limit_type: string
    /** RFC 3339. */
    reset_time: string | null
    /** Whole seconds (`waitSeconds`): clients of the original's schema read 32 bits, and refuse a fraction. */
    retry_after: number | null
    message: string
  }
  interaction: {
    interaction_id: string
    kind: 'permission' | 'question'
    status: string
    tool_name: string | null
    decision: string | null
    decided_by: string | null
    reason: string | null
  }
  input: { input_id: string; status: string; delivery: string; content: string; source: string }
  approval: {
    action: 'approve' | 'reject'
    actor: string
    digest: string | null
    files: string[] | null
    hunks: unknown[] | null
    commit_hash: string | null
    error: string | null
  }
  sandbox: {
    action: string
    sandbox_id: string | null
    generation: number
    driver: string | null
    detail: string | null
  }
  config: { resolved: unknown; sources: unknown; resume_mode: string | null }
}

export type PayloadName = keyof EventPayloads

/** One payload member under its name: `{"message": {...}}`. */
export type EventPayload = { [N in PayloadName]: { readonly [M in N]: EventPayloads[N] } }[PayloadName]

/** An event before it has a number. */
export interface NewEvent {
  readonly payload: EventPayload
  /** What the CLI printed, where the event comes from it. */
  readonly raw?: string
  /** Made by us where the runner is silent. */
  readonly synthetic?: boolean
}

/** The event type of the original's enum that a payload member belongs to (lower case, no prefix). */
export const EVENT_TYPE_OF = {
  log: 'log',
  message: 'message',
  thinking: 'thinking',
  tool_call: 'tool_call',
  tool_result: 'tool_result',
  status: 'status',
  progress: 'status',
  metric: 'metric',
  cost: 'metric',
  artifact: 'artifact',
  error: 'error',
  rate_limit: 'error',
  interaction: 'interaction',
  input: 'input',
  approval: 'approval',
  sandbox: 'sandbox',
  config: 'config',
} as const satisfies Record<PayloadName, string>

export type EventType = (typeof EVENT_TYPE_OF)[PayloadName]

const isPayloadName = (name: string): name is PayloadName => Object.hasOwn(EVENT_TYPE_OF, name)

/** The name of the one member of a payload. */
export function payloadName(payload: EventPayload): PayloadName {
  const name = Object.keys(payload)[0]
  if (name === undefined || !isPayloadName(name))
    throw new Error('an event has exactly one known payload member')
  return name
}

/** An event as the log holds it. */
export interface StoredEvent {
  readonly id: string
  readonly runId: string
  readonly seq: number
  readonly turn: number
  readonly attempt: number
  readonly name: PayloadName
  readonly synthetic: boolean
  readonly createdAt: Date
  /** JSON text of the payload: an object with exactly one member. */
  readonly payloadText: string
}

/** The longest wait that is told: a year. */
const MAX_WAIT_S = 366 * 24 * 60 * 60

/** Whole seconds from `nowMs` until `untilMs`, both ms since 1970; 0 where it is over, at most a year. */
export const waitSeconds = (untilMs: number, nowMs: number): number =>
  Math.min(MAX_WAIT_S, Math.max(0, Math.ceil((untilMs - nowMs) / 1000)))

/** RFC 3339 in UTC of ms since 1970; null: no time that can be said. */
export function isoTime(ms: number): string | null {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? null : time.toISOString()
}

/** The payload of an event of that name. */
export function payloadOf<N extends PayloadName>(
  event: Pick<StoredEvent, 'payloadText'>,
  name: N,
): EventPayloads[N] {
  const payload: Pick<EventPayloads, N> = JSON.parse(event.payloadText)
  return payload[name]
}
