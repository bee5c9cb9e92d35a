/** The conversation of a run on the wire. */
import { z } from 'zod'
import type {
  InteractionEntry,
  TextEntry,
  ToolCallEntry,
  TranscriptEntry,
} from '../../internal/transcript/transcript.ts'
import type { TranscriptPage } from '../../internal/transcript/transcript-service.ts'
import { numberQuery } from '../dialect/fields.ts'
import { MESSAGES_DEFAULT, MESSAGES_MAX } from '../limits.ts'
import { time, timeOut } from './common.ts'

export const messagesQuery = z.strictObject({
  after_sequence: numberQuery(
    0,
    Number.MAX_SAFE_INTEGER,
    'Only messages above this number; default 0: from the start.',
  ),
  limit: numberQuery(
    1,
    MESSAGES_MAX,
    `Messages of a page, 1 to ${MESSAGES_MAX}; default ${MESSAGES_DEFAULT}.`,
  ),
})

const inputOut = z
  .strictObject({ input_id: z.string(), source: z.string(), delivery: z.string() })
  .meta({ description: 'Where it came from, of what the agent was told.' })

const toolCallOut = z
  .strictObject({
    tool_call_id: z.string(),
    tool_name: z.string(),
    input: z.unknown(),
    result: z
      .strictObject({
        sequence: z.int(),
        output: z.string(),
        error: z.string().nullable(),
        success: z.boolean(),
      })
      .nullable()
      .meta({ description: 'null: there is none (yet).' }),
  })
  .meta({ description: 'What the agent did, with its result.' })

const interactionOut = z
  .strictObject({
    interaction_id: z.string(),
    kind: z.enum(['permission', 'question']),
    tool_name: z.string().nullable(),
    detail: z.string().nullable().meta({ description: 'What it is about.' }),
    status: z.string().meta({ description: 'pending, answered, expired, withdrawn.' }),
    decision: z.string().nullable(),
    decided_by: z.string().nullable(),
    answer: z.string().nullable().meta({ description: 'What was said with the decision.' }),
    sequence: z.int().nullable().meta({ description: 'Number of the event that closed it.' }),
  })
  .meta({ description: 'What the agent asked a person, with the answer.' })

const messageOut = z
  .strictObject({
    sequence: z.int().meta({ description: 'Number of the event that began it.' }),
    turn: z.int(),
    attempt: z.int(),
    timestamp: timeOut('When it began.'),
    role: z.enum(['user', 'assistant', 'system']),
    kind: z
      .enum(['text', 'thinking', 'tool_call', 'interaction'])
      .meta({ description: 'Append-only: ignore what you do not know.' }),
    text: z.string().nullable().meta({ description: 'Of text and thinking.' }),
    input: inputOut.nullable(),
    tool_call: toolCallOut.nullable(),
    interaction: interactionOut.nullable(),
  })
  .meta({ id: 'RunMessage', description: 'A piece of the conversation of a run.' })

export const messagesAnswer = z
  .strictObject({
    messages: z.array(messageOut),
    next_after_sequence: z.int().meta({ description: 'after_sequence of the next page.' }),
    has_more: z.boolean(),
  })
  .meta({ id: 'RunMessagePage', description: 'Messages in order.' })

const inputView = ({ input }: TextEntry): z.output<typeof inputOut> | null =>
  input && { input_id: input.id, source: input.source, delivery: input.delivery }

const toolCallView = ({
  toolCallId,
  toolName,
  input,
  result,
}: ToolCallEntry): z.output<typeof toolCallOut> => ({
  tool_call_id: toolCallId,
  tool_name: toolName,
  input,
  result: result && { ...result },
})

const interactionView = (entry: InteractionEntry): z.output<typeof interactionOut> => ({
  interaction_id: entry.interactionId,
  kind: entry.asks,
  tool_name: entry.toolName,
  detail: entry.detail,
  status: entry.outcome?.status ?? 'pending',
  decision: entry.outcome?.decision ?? null,
  decided_by: entry.outcome?.decidedBy ?? null,
  answer: entry.outcome?.reason ?? null,
  sequence: entry.outcome?.sequence ?? null,
})

const messageView = (entry: TranscriptEntry): z.output<typeof messageOut> => ({
  sequence: entry.sequence,
  turn: entry.turn,
  attempt: entry.attempt,
  timestamp: time(entry.createdAt),
  role: entry.kind === 'text' ? entry.role : 'assistant',
  kind: entry.kind,
  text: entry.kind === 'text' || entry.kind === 'thinking' ? entry.text : null,
  input: entry.kind === 'text' ? inputView(entry) : null,
  tool_call: entry.kind === 'tool_call' ? toolCallView(entry) : null,
  interaction: entry.kind === 'interaction' ? interactionView(entry) : null,
})

export const messagesView = (page: TranscriptPage): z.output<typeof messagesAnswer> => ({
  messages: page.entries.map(messageView),
  next_after_sequence: page.nextAfter,
  has_more: page.hasMore,
})
