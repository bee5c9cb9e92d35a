/** Lines of the type `system`: the CLI about itself. No I/O. */
import type { z } from 'zod'
import { waitSeconds } from '../../../internal/event/event.ts'
import { log, type Signal, type TurnView, told } from './view.ts'
import { type ClaudeLine, deniedSchema, initSchema, retrySchema } from './wire.ts'

const MAX_NOTE_LENGTH = 500

/** Known, and of no use to anybody: progress that other lines tell better, and the CLI's own household. */
const PASSED_OVER: ReadonlySet<string> = new Set([
  'background_tasks_changed',
  'commands_changed',
  'files_persisted',
  'hook_progress',
  'hook_response',
  'hook_started',
  'memory_recall',
  'plugin_install',
  'post_turn_summary',
  'prompt_snapshot',
  'session_state_changed',
  'status',
  'task_notification',
  'task_progress',
  'task_started',
  'task_updated',
  'thinking_tokens',
  'ui_invalidate',
  'worker_shutting_down',
])

/** Told to whoever reads the log, at this level. */
const NOTES: Readonly<Record<string, readonly [level: 'info' | 'warn', message: string]>> = {
  compact_boundary: ['info', 'the conversation was compacted'],
  conversation_reset: ['warn', 'the conversation was reset'],
  informational: ['info', 'claude-code says'],
  local_command_output: ['info', 'claude-code says'],
  mirror_error: ['warn', 'claude-code could not keep its session'],
  model_fallback: ['warn', 'another model goes on'],
  model_refusal_fallback: ['warn', 'the model refused, another one goes on'],
  model_refusal_no_fallback: ['warn', 'the model refused'],
  notification: ['info', 'claude-code says'],
  session_writes_lost: ['warn', 'claude-code could not keep its session'],
}

export function mapSystem(view: TurnView, line: ClaudeLine, raw: string, nowMs: number): Signal[] {
  const subtype = line.subtype ?? ''
  if (PASSED_OVER.has(subtype)) return []
  const note = Object.hasOwn(NOTES, subtype) ? NOTES[subtype] : undefined
  if (note !== undefined) return [log(note[0], [note[1], ...detailsOf(line)].join(': '), raw)]
  if (subtype === 'init') return mapInit(view, line, raw)
  if (subtype === 'api_retry') {
    const retry = retrySchema.safeParse(line)
    if (retry.success) return [mapRetry(retry.data, raw, nowMs)]
  }
  if (subtype === 'permission_denied') {
    const denied = deniedSchema.safeParse(line)
    if (denied.success)
      return [log('warn', `${denied.data.tool_name} was not allowed: ${denied.data.message}`, raw)]
  }
  return [log('debug', `claude-code: system ${subtype.slice(0, 100)}`, raw)]
}

/** It comes at the start of every turn of the CLI, of which one of ours may have several. */
function mapInit(view: TurnView, line: ClaudeLine, raw: string): Signal[] {
  const init = initSchema.safeParse(line)
  if (!init.success) return [log('debug', 'claude-code: init in a shape that is not known', raw)]
  const isFirst = !view.isReady
  view.isReady = true
  const { claude_code_version: version, model } = init.data
  const started = log('debug', `claude-code ${version ?? ''} with the model ${model ?? 'it has chosen'}`, raw)
  return [...(isFirst ? [started] : []), { kind: 'init', init: init.data }]
}

function mapRetry(retry: z.infer<typeof retrySchema>, raw: string, nowMs: number): Signal {
  const { attempt, max_retries: max, retry_delay_ms: delayMs, error_status: status, error } = retry
  const why = `${error ?? 'unknown'}${typeof status === 'number' ? ` (HTTP ${status})` : ''}`
  const message = `the model call failed and is tried again (${attempt} of ${max ?? '?'}): ${why}`
  if (status !== 429 && error !== 'rate_limit') return log('warn', message, raw)
  return told(
    {
      rate_limit: {
        limit_type: 'provider',
        reset_time: new Date(nowMs + Math.min(Math.max(0, delayMs), MAX_DELAY_MS)).toISOString(),
        retry_after: waitSeconds(delayMs, 0),
        message,
      },
    },
    raw,
  )
}

/** A provider may name any time; dates end somewhere. */
const MAX_DELAY_MS = 366 * 24 * 60 * 60 * 1000

/** What a note says besides, where it has words for it. */
const detailsOf = (line: ClaudeLine): string[] =>
  ['content', 'message', 'text', 'error', 'fallback_model']
    .map((name) => line[name])
    .filter((value) => typeof value === 'string')
    .map((value) => value.slice(0, MAX_NOTE_LENGTH))
