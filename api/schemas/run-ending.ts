/** Ending runs on the wire: by tag, all at once, for good. */
import { z } from 'zod'
import type { StoppedRuns } from '../../internal/run/run-ending.ts'
import { flagIn, textIn } from '../dialect/fields.ts'
import { actorIn, idOut } from './common.ts'
import { runOut } from './run.ts'

export const tagParams = z.strictObject({
  tag: z.string().min(1).max(255).meta({ description: 'The whole tag; escape a slash in it as %2F.' }),
})

/** A body that says nothing but who asks, where the path names no id. */
export const stopTagBody = z.strictObject({ actor: actorIn })

export const stopTagAnswer = z.strictObject({
  status: z.literal('stopped').meta({ description: 'The intent is durable.' }),
  tag: z.string(),
  run: runOut,
})

export const stopAllBody = z.strictObject({
  tag_prefix: textIn(255, 'Only runs whose tag starts so; absent: all.'),
  force: flagIn('Makes no difference: a stop always ends every process of the agent.'),
  actor: actorIn,
})

export const stopAllAnswer = z.strictObject({
  result: z
    .strictObject({
      stopped_count: z.int().meta({
        description: 'Runs that are cancelled or will be in a moment, those already stopping included.',
      }),
      failures: z
        .array(z.strictObject({ run_id: idOut, error: z.string() }))
        .meta({ description: 'At most 100. Runs that cannot be stopped just now; ask again.' }),
    })
    .meta({ id: 'StopAllResult', description: 'What became of every run that was not finished.' }),
})

export const stoppedView = ({ stopped, failures }: StoppedRuns): z.output<typeof stopAllAnswer> => ({
  result: {
    stopped_count: stopped,
    failures: failures.map(({ runId, error }) => ({ run_id: runId, error })),
  },
})

export const deletedAnswer = z.strictObject({ success: z.literal(true) })
