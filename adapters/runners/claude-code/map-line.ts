/** The CLI's lines in our words. Every line becomes an event, a delta, a signal, or is known and passed over. No I/O. */
import type { z } from 'zod'
import { isoTime, waitSeconds } from '../../../internal/event/event.ts'
import { mapContent, mapResults } from './map-content.ts'
import { mapSystem } from './map-system.ts'
import { noteCall, noteTokens } from './usage.ts'
import { log, type Signal, type TurnView, told } from './view.ts'
import {
  assistantSchema,
  type ClaudeLine,
  cancelSchema,
  controlRequestSchema,
  controlResponseSchema,
  lifecycleSchema,
  lineSchema,
  rateLimitSchema,
  resultSchema,
  streamSchema,
  userSchema,
} from './wire.ts'

/** Known, and of no use to anybody: what they say is told otherwise, or concerns the CLI's own screens. */
const PASSED_OVER: ReadonlySet<string> = new Set([
  'control_request_progress',
  'keep_alive',
  'prompt_suggestion',
  'streamlined_text',
  'streamlined_tool_use_summary',
  'tool_progress',
  'tool_use_summary',
])

/**
 * What one line says. Never throws, whatever the line.
 * @param isCut the line was longer than we read; `text` is its beginning
 * @param nowMs ms since 1970, for when a limit ends
 */
export function mapLine(view: TurnView, text: string, isCut: boolean, nowMs: number): Signal[] {
  if (text.trim() === '') return []
  if (isCut)
    return [log('warn', 'claude-code printed a line that is too long to be read', text.slice(0, 16 * 1024))]
  const line = lineSchema.safeParse(parse(text))
  return line.success
    ? mapKnown(view, line.data, text, nowMs)
    : [log('debug', 'claude-code printed a line that is no message', text)]
}

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    return null // the caller says so
  }
}

function mapKnown(view: TurnView, line: ClaudeLine, raw: string, nowMs: number): Signal[] {
  switch (line.type) {
    case 'system':
      return mapSystem(view, line, raw, nowMs)
    case 'assistant':
      return read(assistantSchema, line, raw, (message) => mapContent(view, message, raw))
    case 'user':
      return read(userSchema, line, raw, (message) => mapResults(view, message, raw))
    case 'stream_event':
      return read(streamSchema, line, raw, (streamed) => mapStream(view, streamed))
    case 'result':
      return read(resultSchema, line, raw, (result) => [{ kind: 'result', result }])
    case 'control_request':
      return read(controlRequestSchema, line, raw, (asked) => [{ kind: 'asked', asked }])
    case 'control_cancel_request':
      return read(cancelSchema, line, raw, (one) => [{ kind: 'withdrawn', requestId: one.request_id }])
    case 'control_response':
      return read(controlResponseSchema, line, raw, (answer) => [{ kind: 'answered', answer }])
    case 'command_lifecycle':
      return read(lifecycleSchema, line, raw, (one) => [
        { kind: 'input', id: one.command_uuid, state: one.state },
      ])
    case 'rate_limit_event':
      return read(rateLimitSchema, line, raw, (limit) => mapRateLimit(limit, raw, nowMs))
    default:
      return PASSED_OVER.has(line.type) ? [] : [log('debug', `claude-code: ${line.type.slice(0, 100)}`, raw)]
  }
}

/** A message of a known type that does not look like one is told as it is. */
function read<T extends z.ZodType>(
  schema: T,
  line: ClaudeLine,
  raw: string,
  map: (value: z.output<T>) => Signal[],
): Signal[] {
  const parsed = schema.safeParse(line)
  return parsed.success
    ? map(parsed.data)
    : [log('debug', `claude-code: ${line.type} in a shape that is not known`, raw)]
}

type Streamed = z.infer<typeof streamSchema>

function mapStream(view: TurnView, streamed: Streamed): Signal[] {
  const ofSubAgent = typeof streamed.parent_tool_use_id === 'string'
  if (streamed.event.type === 'message_start') return callBegins(view, streamed.event, ofSubAgent)
  return ofSubAgent || view.streaming === null ? [] : mapDelta(view, view.streaming, streamed.event)
}

function callBegins(view: TurnView, { message }: Streamed['event'], ofSubAgent: boolean): Signal[] {
  if (message === undefined) return []
  noteCall(view.ledger, message.id, message.model ?? null, message.usage)
  if (!ofSubAgent) view.streaming = message.id
  view.modelCalls += 1
  return [{ kind: 'modelCall' }]
}

function mapDelta(view: TurnView, messageId: string, { type, usage, delta }: Streamed['event']): Signal[] {
  if (type === 'message_delta' && usage !== undefined) noteTokens(view.ledger, messageId, usage)
  if (type !== 'content_block_delta') return []
  if (delta?.text !== undefined)
    return [{ kind: 'delta', delta: { messageId, kind: 'text', text: delta.text } }]
  if (delta?.thinking === undefined) return []
  return [{ kind: 'delta', delta: { messageId, kind: 'thinking', text: delta.thinking } }]
}

function mapRateLimit(
  { rate_limit_info: info }: z.infer<typeof rateLimitSchema>,
  raw: string,
  nowMs: number,
): Signal[] {
  if (info.status === 'allowed') return []
  const resetMs = info.resetsAt === undefined ? null : info.resetsAt * 1000
  return [
    told(
      {
        rate_limit: {
          limit_type: info.rateLimitType ?? 'provider',
          reset_time: resetMs === null ? null : isoTime(resetMs),
          retry_after: resetMs === null ? null : waitSeconds(resetMs, nowMs),
          message: info.status === 'rejected' ? 'the limit is reached' : 'the limit is close',
        },
      },
      raw,
    ),
  ]
}
