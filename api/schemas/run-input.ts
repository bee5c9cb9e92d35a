/** Inputs on the wire: what the agent of a run is told. */
import { z } from 'zod'
import type { RunInput } from '../../internal/run/run-input.ts'
import { requiredLongTextIn, wordIn } from '../dialect/fields.ts'
import { MAX_PROMPT_BYTES } from '../limits.ts'
import { actorIn, idOut, repeatedId, time, timeOrNull, timeOut } from './common.ts'
import { pageOut, pageQuery } from './page.ts'
import { runOut } from './run.ts'

const DELIVERIES = ['queue', 'steer'] as const
const DELIVERY = 'queue: in a turn of its own after this one. steer: into the running turn.'

const messageIn = requiredLongTextIn(MAX_PROMPT_BYTES, 'What the agent is told.')

export const continueBody = z.strictObject({
  run_id: repeatedId,
  message: messageIn,
  delivery: wordIn(DELIVERIES, `${DELIVERY} Default queue.`),
  actor: actorIn,
})

export const editInputBody = z.strictObject({ run_id: repeatedId, message: messageIn })

export const listInputsQuery = z.strictObject(pageQuery('Inputs'))

export const inputParams = z.strictObject({
  id: z.string().meta({ description: 'The run. A UUID; anything else is a 404.' }),
  input_id: z.string().meta({ description: 'A UUID; anything else is a 404.' }),
})

const inputOut = z
  .strictObject({
    id: idOut,
    run_id: idOut,
    turn: z.int().meta({ description: 'The turn it belongs to.' }),
    source: z
      .enum(['prompt', 'continue', 'review'])
      .meta({ description: "Where it came from: the run's prompt, a continuation, a reviewer." }),
    delivery: z.enum(DELIVERIES).meta({ description: DELIVERY }),
    status: z
      .enum(['queued', 'delivered', 'cancelled'])
      .meta({ description: 'Only a queued one can be edited or cancelled.' }),
    message: z.string(),
    actor: z.string().nullable().meta({ description: 'Who said it; null: not told.' }),
    created_at: timeOut('When it was taken.'),
    delivered_at: timeOut('When the agent got it.').nullable(),
    sequence: z
      .int()
      .nullable()
      .meta({ description: 'Number of the event that says it was handed over; null before.' }),
  })
  .meta({
    // Not RunInput: that is what the generator calls a Run in a request.
    id: 'InputEntry',
    description: 'Something the agent is told. It enters the log when it is handed over.',
  })

export const inputView = (input: RunInput): z.output<typeof inputOut> => ({
  id: input.id,
  run_id: input.runId,
  turn: input.turn,
  source: input.source,
  delivery: input.delivery,
  status: input.status,
  message: input.content,
  actor: input.actor,
  created_at: time(input.createdAt),
  delivered_at: timeOrNull(input.deliveredAt),
  sequence: input.sequence,
})

export const continueAnswer = z.strictObject({ success: z.literal(true), run: runOut, input: inputOut })
export const inputsAnswer = z.strictObject({
  inputs: z.array(inputOut),
  ...pageOut,
})
export const inputAnswer = z.strictObject({ input: inputOut })
