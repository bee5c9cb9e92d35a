/**
 * The one door to the log. Whatever an agent prints becomes text that Postgres takes: secrets replaced, NUL
 * and lone surrogates replaced by U+FFFD, nesting and size bounded. Total: it never throws and never loses
 * the event itself.
 */
import { type EventPayload, type NewEvent, type PayloadName, payloadName } from './event.ts'
import type { Redactor } from './redactor.ts'

/** Inline payload, in UTF-8 bytes; beyond it strings are cut. */
export const MAX_PAYLOAD_BYTES = 256 * 1024
/** What the CLI printed, kept beside the event. */
export const MAX_RAW_BYTES = 64 * 1024
export const MAX_DEPTH = 64

/** Tried in turn until the payload fits. */
const STRING_LIMITS = [128 * 1024, 16 * 1024, 1024] as const
const MAX_MEMBERS = 1000

export interface StorableEvent {
  readonly name: PayloadName
  readonly payload: string
  readonly raw: string | null
  readonly synthetic: boolean
}

export function toStorable(event: NewEvent, redactor: Redactor): StorableEvent {
  const { name, payload } = bound(withObjectInput(event.payload), redactor)
  return {
    name,
    payload,
    raw: event.raw === undefined ? null : cut(storableText(event.raw, redactor), MAX_RAW_BYTES),
    synthetic: event.synthetic ?? false,
  }
}

/**
 * Clients of the original's schema read the input of a tool as an object and refuse a whole page of events for
 * one that is not; what else a model made up for an input stands below `value`.
 */
function withObjectInput(payload: EventPayload): EventPayload {
  if (!('tool_call' in payload)) return payload
  const { input } = payload.tool_call
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input)
  return isObject ? payload : { tool_call: { ...payload.tool_call, input: { value: input ?? null } } }
}

/** Text that a Postgres text column takes, without known secrets. */
export const storableText = (text: string, redactor: Redactor): string =>
  redactor.redact(text).replaceAll('\0', '\uFFFD').toWellFormed()

/** JSON of any value for a text column, cleaned and bounded as a payload is. */
export function storableJson(value: unknown, redactor: Redactor): string {
  for (const limit of STRING_LIMITS) {
    const text = JSON.stringify(clean(value, redactor, limit, 0))
    if (Buffer.byteLength(text) <= MAX_PAYLOAD_BYTES) return text
  }
  return JSON.stringify('[too large to keep]')
}

function bound(payload: EventPayload, redactor: Redactor): { name: PayloadName; payload: string } {
  const name = payloadName(payload)
  for (const limit of STRING_LIMITS) {
    const text = JSON.stringify(clean(payload, redactor, limit, 0))
    if (Buffer.byteLength(text) <= MAX_PAYLOAD_BYTES) return { name, payload: text }
  }
  const note: EventPayload = { log: { level: 'warn', message: `a ${name} event was too large to keep` } }
  return { name: 'log', payload: JSON.stringify(note) }
}

function clean(value: unknown, redactor: Redactor, limit: number, depth: number): unknown {
  if (typeof value === 'string') return cut(storableText(value, redactor), limit)
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return typeof value === 'boolean' ? value : null
  if (depth >= MAX_DEPTH) return '[nested too deep]'
  if (Array.isArray(value)) {
    return value.slice(0, MAX_MEMBERS).map((item) => clean(item, redactor, limit, depth + 1))
  }
  // fromEntries defines own members, so a key named __proto__ stays a key.
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .slice(0, MAX_MEMBERS)
      .map(([key, member]) => [
        cut(storableText(key, redactor), 1024),
        clean(member, redactor, limit, depth + 1),
      ]),
  )
}

/** Cuts at a limit in characters and says how much is missing. */
function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  return `${text.slice(0, limit).toWellFormed()}… [${text.length - limit} characters cut]`
}
