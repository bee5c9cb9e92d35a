/** Events on the wire: the query and the shape. The text itself is made in event-json.ts. */
import { z } from 'zod'
import { EVENT_TYPE_OF, type EventType, type PayloadName } from '../../internal/event/event.ts'
import { flagQuery, numberQuery, secondsQuery } from '../dialect/fields.ts'
import { EVENTS_DEFAULT, EVENTS_MAX, MAX_WAIT_MS } from '../limits.ts'
import { idOut, timeOut } from './common.ts'

export type EventName = EventType | PayloadName

const EVENT_TYPES = [...new Set(Object.values(EVENT_TYPE_OF))]
const isEventName = (name: string): name is EventName =>
  Object.hasOwn(EVENT_TYPE_OF, name) || EVENT_TYPES.some((type) => type === name)

const FAULT = `must name event types (${EVENT_TYPES.join(', ')}) or payload members (${Object.keys(EVENT_TYPE_OF).join(', ')})`

const nameOf = (text: string): string =>
  text
    .trim()
    .toLowerCase()
    .replace(/^run_event_type_/, '')

/** Repeated, comma-separated, or both; by full name, short name or payload member. */
export const eventTypesIn = z
  .preprocess(
    (value) => {
      const items: unknown[] = Array.isArray(value)
        ? value
        : value === undefined || value === null
          ? []
          : [value]
      return items
        .flatMap((item) => (typeof item === 'string' ? item.split(',') : [item]))
        .map((item) => (typeof item === 'string' ? nameOf(item) : item))
        .filter((item) => item !== '')
    },
    z
      .array(z.custom<EventName>((name) => typeof name === 'string' && isEventName(name), FAULT))
      .max(50)
      .optional(),
  )
  .transform((names) => names ?? [])
  .meta({
    description:
      'Only these: event types (RUN_EVENT_TYPE_MESSAGE or message) or payload members (rate_limit). Repeated or comma-separated.',
    type: 'array',
    items: { type: 'string' },
    maxItems: 50,
  })

export const wants = (names: readonly EventName[], payload: PayloadName): boolean =>
  names.length === 0 || names.includes(payload) || names.includes(EVENT_TYPE_OF[payload])

const filter = {
  after_sequence: numberQuery(
    0,
    Number.MAX_SAFE_INTEGER,
    'Only events above this number; default 0: from the start.',
  ),
  event_types: eventTypesIn,
}

const include = z
  .literal('raw', { error: 'must be raw' })
  .optional()
  .meta({ description: 'raw: also what the CLI printed.' })

export const listEventsQuery = z.strictObject({
  ...filter,
  limit: numberQuery(1, EVENTS_MAX, `Events of a page, 1 to ${EVENTS_MAX}; default ${EVENTS_DEFAULT}.`),
  include,
  wait: secondsQuery(MAX_WAIT_MS, 'How long to wait for an event where there is none.'),
})

export const exportEventsQuery = z.strictObject({ ...filter, include })

export const streamEventsQuery = z.strictObject({
  ...filter,
  deltas: flagQuery('Also text on its way, as the runner sends it.'),
  until: z.literal('terminal', { error: 'must be terminal' }).optional().meta({
    description: 'terminal: the stream ends when the run is finished (complete, failed or cancelled).',
  }),
})

export const streamEventsHeaders = z.looseObject({
  'last-event-id': z
    .preprocess(
      (text) => (text === '' ? undefined : text),
      z
        .string()
        .regex(/^\d{1,15}$/)
        .optional(),
    )
    .transform((text) => (text === undefined ? undefined : Number(text)))
    .meta({
      description: 'The number of the last event that came; wins over after_sequence.',
      type: 'string',
    }),
})

const loose = (name: PayloadName) =>
  z
    .looseObject({})
    .optional()
    .meta({ description: `The payload of a ${name} event.` })

const payloads = {
  log: loose('log'),
  message: loose('message'),
  thinking: loose('thinking'),
  tool_call: loose('tool_call'),
  tool_result: loose('tool_result'),
  status: loose('status'),
  progress: loose('progress'),
  metric: loose('metric'),
  cost: loose('cost'),
  artifact: loose('artifact'),
  error: loose('error'),
  rate_limit: loose('rate_limit'),
  interaction: loose('interaction'),
  input: loose('input'),
  approval: loose('approval'),
  sandbox: loose('sandbox'),
  config: loose('config'),
} satisfies Record<PayloadName, z.ZodType>

const runEventOut = z
  .strictObject({
    id: z.string(),
    run_id: idOut,
    sequence: z.int().meta({ description: 'Per run, from 1, without gaps; the cursor of every reader.' }),
    event_type: z.enum(EVENT_TYPES.map((type) => `RUN_EVENT_TYPE_${type.toUpperCase()}`)),
    timestamp: timeOut('When it was written to the log.'),
    turn: z.int(),
    attempt: z.int(),
    synthetic: z.boolean().meta({ description: 'Made by the service where the runner is silent.' }),
    raw: z.string().nullable().optional().meta({ description: 'With include=raw: what the CLI printed.' }),
    ...payloads,
  })
  .meta({
    id: 'RunEvent',
    description:
      'One event. Exactly one payload member is there. Types are append-only: ignore what you do not know.',
  })

export const listEventsAnswer = z
  .strictObject({
    events: z.array(runEventOut),
    next_after_sequence: z.int().meta({ description: 'after_sequence of the next page.' }),
    has_more: z.boolean().meta({ description: 'There are more events already.' }),
  })
  .meta({ id: 'RunEventPage', description: 'Events in order.' })
