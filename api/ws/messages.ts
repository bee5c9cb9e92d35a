/** What clients send: the original's proto form, or its older `{"type":"subscribe","payload":{…}}` form. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import { parseJson } from '../dialect/json-body.ts'
import { isObject } from '../dialect/keys.ts'
import { decode } from '../dialect/validate.ts'
import { NOT_YET } from '../not-yet.ts'
import { idOr404 } from '../schemas/common.ts'
import { type EventName, eventTypesIn } from '../schemas/run-event.ts'

const PREFIX = 'AGENT_MANAGER_WS_CLIENT_MESSAGE_TYPE_'

export type ClientMessage =
  | {
      readonly kind: 'subscribe'
      readonly runId: string
      /** null: live only. */
      readonly afterSequence: number | null
      readonly deltas: boolean
      readonly eventTypes: readonly EventName[]
    }
  | { readonly kind: 'unsubscribe'; readonly runId: string }
  | { readonly kind: 'subscribe_all' | 'unsubscribe_all' | 'ping' }

const KINDS = ['subscribe', 'unsubscribe', 'subscribe_all', 'unsubscribe_all', 'ping'] as const
type Kind = (typeof KINDS)[number]

/** Proto's JSON writes 64-bit numbers as strings. */
const sequenceIn = z
  .preprocess(
    (value) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value),
    z.int('must be a whole number from 0').min(0).nullish(),
  )
  .transform((value) => value ?? 0)

const protoMessage = z.strictObject({
  type: z.string(),
  run_subscription: z
    .strictObject({
      run_id: z.string().nullish(),
      after_sequence: sequenceIn,
      deltas: z.boolean().nullish(),
      event_types: eventTypesIn,
      ...NOT_YET.subscription,
    })
    .nullish(),
  cursors: NOT_YET.subscription.cursors,
})

const legacyMessage = z.strictObject({
  type: z.string(),
  payload: z.strictObject({ run_id: z.string().nullish() }).nullish(),
})

/** One frame. Throws AppError: VALIDATION_* for what cannot be read, NOT_FOUND_RUN for what cannot be an id. */
export function parseClientMessage(frame: Buffer): ClientMessage {
  const message = parseJson(frame)
  const type = isObject(message) ? message['type'] : undefined
  if (typeof type !== 'string') throw malformed('has no type')
  if (type.startsWith(PREFIX)) return protoForm(message, kindOf(type.slice(PREFIX.length).toLowerCase()))
  return legacyForm(message, kindOf(type))
}

const malformed = (what: string): AppError => new AppError('VALIDATION_FORMAT', `The message ${what}.`)

function kindOf(name: string): Kind {
  const kind = KINDS.find((known) => known === name)
  if (kind === undefined) throw malformed('has an unknown type')
  return kind
}

function protoForm(message: unknown, kind: Kind): ClientMessage {
  const { run_subscription: wanted } = decode(protoMessage, message, 'message')
  if (kind === 'unsubscribe') return { kind, runId: runIdOf(wanted?.run_id) }
  if (kind !== 'subscribe') return { kind }
  return {
    kind,
    runId: runIdOf(wanted?.run_id),
    afterSequence: wanted?.after_sequence ?? 0,
    deltas: wanted?.deltas ?? false,
    eventTypes: wanted?.event_types ?? [],
  }
}

/** The older form knows no cursor: it starts live. */
function legacyForm(message: unknown, kind: Kind): ClientMessage {
  const { payload } = decode(legacyMessage, message, 'message')
  if (kind === 'unsubscribe') return { kind, runId: runIdOf(payload?.run_id) }
  if (kind !== 'subscribe') return { kind }
  return { kind, runId: runIdOf(payload?.run_id), afterSequence: null, deltas: false, eventTypes: [] }
}

function runIdOf(text: string | null | undefined): string {
  if (!text) throw malformed('names no run: give run_subscription.run_id')
  return idOr404(text, 'NOT_FOUND_RUN')
}
