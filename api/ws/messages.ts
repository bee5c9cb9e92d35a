/** What clients send: the original's proto form, or its older `{"type":"subscribe","payload":{…}}` form. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { RunSelection } from '../../internal/event/run-selection.ts'
import { parseJson } from '../dialect/json-body.ts'
import { isObject } from '../dialect/keys.ts'
import { decode } from '../dialect/validate.ts'
import { MAX_SOCKET_MESSAGE_KEYS } from '../limits.ts'
import { idOr404 } from '../schemas/common.ts'
import { type EventName, eventTypesIn } from '../schemas/run-event.ts'
import type { RunWish } from '../streams/run-watch.ts'
import { cursorsIn } from './cursors.ts'

const PREFIX = 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_'

/** Several runs: a task, a tag prefix, or all. */
export interface WideWish {
  readonly selection: RunSelection
  readonly cursors: ReadonlyMap<string, number>
  readonly deltas: boolean
  readonly eventTypes: readonly EventName[]
}

export type ClientMessage =
  | { readonly kind: 'subscribe'; readonly wish: RunWish }
  | { readonly kind: 'subscribe_many'; readonly wish: WideWish }
  | { readonly kind: 'unsubscribe'; readonly runId: string }
  | { readonly kind: 'unsubscribe_many'; readonly selection: RunSelection }
  | { readonly kind: 'unsubscribe_all' | 'authenticate' | 'ping' }

const KINDS = [
  'subscribe',
  'unsubscribe',
  'subscribe_all',
  'unsubscribe_all',
  'authenticate',
  'ping',
] as const
type Kind = (typeof KINDS)[number]

/** Proto's JSON writes 64-bit numbers as strings. */
const sequenceIn = z.preprocess(
  (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
  z.int('must be a whole number from 0').min(0),
)

const cursorsOf = z.record(z.string(), sequenceIn).nullish()

const protoMessage = z.strictObject({
  type: z.string(),
  run_subscription: z
    .strictObject({
      run_id: z.string().nullish(),
      task_id: z.string().nullish(),
      tag_prefix: z.string().max(255).nullish(),
      after_sequence: z.preprocess((value) => value ?? 0, sequenceIn),
      cursors: cursorsOf,
      deltas: z.boolean().nullish(),
      event_types: eventTypesIn,
    })
    .nullish(),
  cursors: cursorsOf,
  // Never looked at while authentication is off, and never repeated.
  token: z.string().nullish(),
})
type ProtoMessage = z.output<typeof protoMessage>
type Wanted = Partial<NonNullable<ProtoMessage['run_subscription']>>

const legacyMessage = z.strictObject({
  type: z.string(),
  payload: z.strictObject({ run_id: z.string().nullish() }).nullish(),
})

/** One frame. Throws AppError: VALIDATION_* for what cannot be read, NOT_FOUND_* for what cannot be an id. */
export function parseClientMessage(frame: Buffer): ClientMessage {
  const message = parseJson(frame, MAX_SOCKET_MESSAGE_KEYS)
  const type = isObject(message) ? message['type'] : undefined
  if (typeof type !== 'string') throw malformed('has no type')
  if (type.startsWith(PREFIX)) return protoForm(message, kindOf(type.slice(PREFIX.length).toLowerCase()))
  return legacyForm(message, kindOf(type))
}

const malformed = (what: string): AppError => new AppError('VALIDATION_FORMAT', `The message ${what}.`)

const conflict = (what: string): AppError => new AppError('VALIDATION_CONFLICT', what)

function kindOf(name: string): Kind {
  const kind = KINDS.find((known) => known === name)
  if (kind === undefined) throw malformed('has an unknown type')
  return kind
}

function protoForm(input: unknown, kind: Kind): ClientMessage {
  const message = decode(protoMessage, input, 'message')
  const wanted: Wanted = message.run_subscription ?? {}
  switch (kind) {
    case 'subscribe':
      return subscribe(message, wanted)
    case 'subscribe_all':
      if (target(wanted) !== null)
        throw conflict('SUBSCRIBE_ALL takes no run_id, task_id or tag_prefix: send SUBSCRIBE.')
      return { kind: 'subscribe_many', wish: wideWish({ kind: 'all' }, message, wanted) }
    case 'unsubscribe': {
      const what = target(wanted) ?? nothingNamed()
      if (what.kind === 'run') return { kind, runId: what.runId }
      return { kind: 'unsubscribe_many', selection: what }
    }
    case 'unsubscribe_all':
    case 'authenticate':
    case 'ping':
      return { kind }
  }
}

function subscribe(message: ProtoMessage, wanted: Wanted): ClientMessage {
  const what = target(wanted) ?? nothingNamed()
  if (what.kind !== 'run') return { kind: 'subscribe_many', wish: wideWish(what, message, wanted) }
  if (Object.keys(wanted.cursors ?? message.cursors ?? {}).length > 0)
    throw conflict('cursors are for several runs: with run_id send after_sequence.')
  return {
    kind: 'subscribe',
    wish: {
      runId: what.runId,
      afterSequence: wanted.after_sequence ?? 0,
      deltas: wanted.deltas ?? false,
      eventTypes: wanted.event_types ?? [],
    },
  }
}

function wideWish(selection: RunSelection, message: ProtoMessage, wanted: Wanted): WideWish {
  if (wanted.after_sequence) throw conflict('after_sequence is for one run: for several send cursors.')
  if (wanted.cursors && message.cursors) throw conflict('cursors are there twice: send them once.')
  return {
    selection,
    cursors: cursorsIn(wanted.cursors ?? message.cursors ?? {}),
    deltas: wanted.deltas ?? false,
    eventTypes: wanted.event_types ?? [],
  }
}

/** What is named; empty texts name nothing. */
function target({
  run_id: runId,
  task_id: taskId,
  tag_prefix: prefix,
}: Wanted): { kind: 'run'; runId: string } | Exclude<RunSelection, { kind: 'all' }> | null {
  if ([runId, taskId, prefix].filter(Boolean).length > 1)
    throw conflict('run_id, task_id and tag_prefix exclude each other: send one of them.')
  if (runId) return { kind: 'run', runId: idOr404(runId, 'NOT_FOUND_RUN') }
  if (taskId) return { kind: 'task', taskId: idOr404(taskId, 'NOT_FOUND_TASK') }
  return prefix ? { kind: 'tag', prefix } : null
}

function nothingNamed(): never {
  throw malformed('names no run: give run_subscription.run_id, task_id or tag_prefix')
}

/** The older form knows no cursor: it starts live. */
function legacyForm(message: unknown, kind: Kind): ClientMessage {
  const { payload } = decode(legacyMessage, message, 'message')
  const rest = { deltas: false, eventTypes: [] } as const
  switch (kind) {
    case 'subscribe':
      return { kind, wish: { runId: legacyRun(payload?.run_id), afterSequence: null, ...rest } }
    case 'unsubscribe':
      return { kind, runId: legacyRun(payload?.run_id) }
    case 'subscribe_all':
      return { kind: 'subscribe_many', wish: { selection: { kind: 'all' }, cursors: new Map(), ...rest } }
    case 'unsubscribe_all':
    case 'authenticate':
    case 'ping':
      return { kind }
  }
}

function legacyRun(text: string | null | undefined): string {
  if (!text) throw malformed('names no run: give payload.runId')
  return idOr404(text, 'NOT_FOUND_RUN')
}
