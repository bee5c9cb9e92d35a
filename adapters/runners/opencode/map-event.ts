/**
 * opencode's events in our words. A turn's view remembers what was told already, so that the same news (an
 * update repeated, or read again after a dropped stream) is told once. No I/O.
 */
import { type EventPayload, isoTime, type NewEvent, waitSeconds } from '../../../internal/event/event.ts'
import type { Delta, Failure, Usage } from '../../../internal/runner/port.ts'
import { failureOfError, speaksOfLimit } from './failure.ts'
import { ourToolName } from './tool-names.ts'
import {
  deltaSchema,
  errorSchema,
  messageSchema,
  type OpencodeEvent,
  type OpencodePart,
  type OpencodePermission,
  type OpencodeQuestion,
  partSchema,
  permissionSchema,
  questionSchema,
  type StepFinishPart,
  sessionSchema,
  statusSchema,
  type ToolPart,
} from './wire.ts'

const MAX_RAW_LENGTH = 64 * 1024
const MAX_OUTPUT_LENGTH = 256 * 1024

/** What an event means for the turn. */
export type Signal =
  | { readonly kind: 'event'; readonly event: NewEvent }
  | { readonly kind: 'delta'; readonly delta: Delta }
  | { readonly kind: 'permission'; readonly permission: OpencodePermission }
  | { readonly kind: 'question'; readonly question: OpencodeQuestion }
  | { readonly kind: 'retry'; readonly attempt: number; readonly message: string }
  | { readonly kind: 'busy' }
  | { readonly kind: 'idle' }

type MessageKind = 'user' | 'assistant' | 'compaction'

/** What is known of a turn so far; changed by `mapEvent` only. */
export interface TurnView {
  readonly sessionId: string
  /** When the prompt was handed over, ms since 1970: older messages belong to earlier turns. */
  readonly startedAtMs: number
  readonly messages: Map<string, { kind: MessageKind; model: string | null }>
  readonly partKinds: Map<string, Delta['kind']>
  /** Part id and stage of everything told. */
  readonly told: Set<string>
  readonly children: Set<string>
  /** The tool of each call, from its first word on: its permissions may be asked before it is told to run. */
  readonly toolOfCall: Map<string, string>
  /** Calls without a result, by part id. */
  readonly openTools: Map<string, ToolPart>
  usage: Usage
  modelCalls: number
  toolCalls: number
  /** Why the latest model call ended; `tool-calls`: another one follows. */
  lastReason: string
  lastText: string
  /** The error the session reported, or that its latest message carries. */
  failure: Failure | null
}

export const createTurnView = (sessionId: string, startedAtMs: number): TurnView => ({
  sessionId,
  startedAtMs,
  messages: new Map(),
  partKinds: new Map(),
  told: new Set(),
  children: new Set(),
  toolOfCall: new Map(),
  openTools: new Map(),
  usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheCreationTokens: 0, totalCostUsd: 0 },
  modelCalls: 0,
  toolCalls: 0,
  lastReason: '',
  lastText: '',
  failure: null,
})

/**
 * What one event says.
 * @param raw the event as it was sent, kept beside what we make of it
 * @param nowMs ms since 1970, for how long a retry is away
 */
export function mapEvent(view: TurnView, event: OpencodeEvent, raw: string, nowMs: number): Signal[] {
  const { properties } = event
  switch (event.type) {
    case 'session.created':
      return sessionCreated(view, properties['info'])
    case 'session.status':
      return properties.sessionID === view.sessionId ? status(properties['status'], nowMs) : []
    case 'session.idle':
      return properties.sessionID === view.sessionId ? [{ kind: 'idle' }] : []
    case 'session.error':
      return sessionError(view, properties.sessionID, properties['error'])
    case 'session.compacted':
      return properties.sessionID === view.sessionId
        ? [told(log('info', 'the conversation was compacted'))]
        : []
    case 'message.updated':
      return messageUpdated(view, properties['info'])
    case 'message.part.updated':
      return partUpdated(view, properties['part'], raw)
    case 'message.part.delta':
      return partDelta(view, properties)
    case 'permission.asked':
      return once(view, permissionSchema.safeParse(properties), (permission) => ({
        kind: 'permission',
        permission,
      }))
    case 'question.asked':
      return once(view, questionSchema.safeParse(properties), (question) => ({ kind: 'question', question }))
    default:
      return []
  }
}

const told = (payload: EventPayload, raw?: string): Signal => ({
  kind: 'event',
  event: raw === undefined || raw.length > MAX_RAW_LENGTH ? { payload } : { payload, raw },
})

export const log = (level: 'info' | 'warn', message: string): EventPayload => ({ log: { level, message } })

/** False the first time a thing is told. */
function isTold(view: TurnView, key: string): boolean {
  if (view.told.has(key)) return true
  view.told.add(key)
  return false
}

function once<T extends { id: string }>(
  view: TurnView,
  parsed: { success: true; data: T } | { success: false },
  make: (value: T) => Signal,
): Signal[] {
  return parsed.success && !isTold(view, parsed.data.id) ? [make(parsed.data)] : []
}

function sessionCreated(view: TurnView, info: unknown): Signal[] {
  const session = sessionSchema.safeParse(info)
  const parent = session.success ? session.data.parentID : undefined
  if (session.success && parent !== undefined && isOurs(view, parent)) view.children.add(session.data.id)
  return []
}

const isOurs = (view: TurnView, sessionId: string): boolean =>
  sessionId === view.sessionId || view.children.has(sessionId)

function status(value: unknown, nowMs: number): Signal[] {
  const parsed = statusSchema.safeParse(value)
  if (!parsed.success) return []
  if (parsed.data.type === 'idle') return [] // session.idle follows and is the one that counts
  if (parsed.data.type === 'busy') return [{ kind: 'busy' }]
  const { attempt, message, next } = parsed.data
  const waitS = next === undefined ? null : waitSeconds(next, nowMs)
  return [
    { kind: 'busy' },
    told(retryPayload(attempt, message, next, waitS)),
    { kind: 'retry', attempt, message },
  ]
}

const retryPayload = (
  attempt: number,
  message: string,
  next: number | undefined,
  waitS: number | null,
): EventPayload =>
  speaksOfLimit(message)
    ? {
        rate_limit: {
          limit_type: 'provider',
          reset_time: next === undefined ? null : isoTime(next),
          retry_after: waitS,
          message,
        },
      }
    : log('warn', `the model call failed and is tried again (attempt ${attempt}): ${message}`)

function sessionError(view: TurnView, sessionId: string | undefined, error: unknown): Signal[] {
  const parsed = errorSchema.safeParse(error)
  // An error without a session belongs to the only one there is.
  const ours = sessionId === undefined || sessionId === view.sessionId
  if (parsed.success && ours && parsed.data.name !== 'MessageAbortedError')
    view.failure = failureOfError(parsed.data)
  return []
}

function messageUpdated(view: TurnView, info: unknown): Signal[] {
  const parsed = messageSchema.safeParse(info)
  if (!parsed.success || !isOurs(view, parsed.data.sessionID)) return []
  const message = parsed.data
  if (message.time !== undefined && message.time.created < view.startedAtMs) return []
  const model =
    message.providerID === undefined || message.modelID === undefined
      ? null
      : `${message.providerID}/${message.modelID}`
  const kind = message.role !== 'assistant' ? 'user' : message.summary === true ? 'compaction' : 'assistant'
  view.messages.set(message.id, { kind, model })
  if (kind !== 'assistant' || message.sessionID !== view.sessionId) return []
  const signals: Signal[] = [{ kind: 'busy' }]
  // A context overflow is told nowhere else, and a later answer (after compaction) makes it undone.
  if (message.error !== undefined && message.error.name !== 'MessageAbortedError')
    view.failure = failureOfError(message.error)
  else if (message.finish !== undefined && !isTold(view, `${message.id}:finish`)) view.failure = null
  return signals
}

function partUpdated(view: TurnView, value: unknown, raw: string): Signal[] {
  const parsed = partSchema.safeParse(value)
  if (!parsed.success || !isOurs(view, parsed.data.sessionID)) return []
  const part = parsed.data
  const message = view.messages.get(part.messageID)
  if (message === undefined || message.kind === 'user') return []
  switch (part.type) {
    case 'step-start':
      if (isTold(view, part.id)) return []
      view.modelCalls += 1
      view.lastReason = ''
      return []
    case 'step-finish':
      return isTold(view, part.id) ? [] : stepFinished(view, part, message.model, raw)
    case 'tool':
      return toolUpdated(view, part, raw)
    case 'text':
    case 'reasoning':
      return message.kind === 'assistant' ? textUpdated(view, part, raw) : []
  }
}

function textUpdated(
  view: TurnView,
  part: Extract<OpencodePart, { type: 'text' | 'reasoning' }>,
  raw: string,
): Signal[] {
  view.partKinds.set(part.id, part.type === 'text' ? 'text' : 'thinking')
  const ofSubAgent = part.sessionID !== view.sessionId
  if (ofSubAgent || part.time?.end === undefined || part.text === '' || isTold(view, part.id)) return []
  if (part.type === 'reasoning') return [told({ thinking: { text: part.text } }, raw)]
  view.lastText = part.text
  return [told({ message: { role: 'assistant', content: part.text } }, raw)]
}

function partDelta(view: TurnView, properties: unknown): Signal[] {
  const parsed = deltaSchema.safeParse(properties)
  if (!parsed.success || parsed.data.sessionID !== view.sessionId || parsed.data.field !== 'text') return []
  const { messageID, partID, delta } = parsed.data
  const kind = view.partKinds.get(partID)
  return kind === undefined ? [] : [{ kind: 'delta', delta: { messageId: messageID, kind, text: delta } }]
}

function toolUpdated(view: TurnView, part: ToolPart, raw: string): Signal[] {
  const { status: stage, input } = part.state
  view.toolOfCall.set(part.callID, part.tool)
  if (stage === 'pending') return []
  const signals: Signal[] = []
  if (!isTold(view, `${part.id}:call`)) {
    view.toolCalls += 1
    view.openTools.set(part.id, part)
    signals.push(
      told(
        { tool_call: { tool_name: ourToolName(part.tool), input: input ?? {}, tool_call_id: part.callID } },
        stage === 'running' ? raw : undefined,
      ),
    )
  }
  if (stage !== 'running' && !isTold(view, `${part.id}:result`)) {
    view.openTools.delete(part.id)
    signals.push(told(toolResult(part), raw))
  }
  return signals
}

function toolResult(part: ToolPart): EventPayload {
  const { state } = part
  const exit = state.metadata?.exit ?? 0
  const error =
    state.status === 'error'
      ? (state.error ?? 'the tool failed')
      : exit === 0
        ? null
        : `the command ended with exit code ${exit}`
  return {
    tool_result: {
      tool_name: ourToolName(part.tool),
      tool_call_id: part.callID,
      output: shorten(state.output ?? ''),
      error,
      success: error === null,
    },
  }
}

/** Results for the calls that the end of the turn cut off: opencode tells nothing of them any more. */
export function unfinishedTools(view: TurnView): NewEvent[] {
  const open = [...view.openTools.values()]
  view.openTools.clear()
  return open.map((part) => ({
    payload: {
      tool_result: {
        tool_name: ourToolName(part.tool),
        tool_call_id: part.callID,
        output: '',
        error: 'the turn ended before the tool did',
        success: false,
      },
    },
    synthetic: true,
  }))
}

const shorten = (output: string): string =>
  output.length <= MAX_OUTPUT_LENGTH
    ? output
    : `${output.slice(0, MAX_OUTPUT_LENGTH)}\n[${output.length - MAX_OUTPUT_LENGTH} more characters were left out]`

function stepFinished(view: TurnView, part: StepFinishPart, model: string | null, raw: string): Signal[] {
  const { tokens, cost } = part
  // opencode counts thinking apart; it is billed as output.
  const output = tokens.output + tokens.reasoning
  const { usage } = view
  view.lastReason = part.reason ?? ''
  view.usage = {
    inputTokens: usage.inputTokens + tokens.input,
    outputTokens: usage.outputTokens + output,
    cacheReadTokens: usage.cacheReadTokens + tokens.cache.read,
    cacheCreationTokens: usage.cacheCreationTokens + tokens.cache.write,
    totalCostUsd: (usage.totalCostUsd ?? 0) + cost,
  }
  const payload: EventPayload = {
    cost: {
      input_tokens: tokens.input,
      output_tokens: output,
      cache_creation_tokens: tokens.cache.write,
      cache_read_tokens: tokens.cache.read,
      total_cost_usd: cost,
      model,
      cost_source: 'runner_reported',
    },
  }
  const cutOff = part.reason === 'length' ? [told(log('warn', 'the model reached its output limit'))] : []
  return [told(payload, raw), ...cutOff]
}
