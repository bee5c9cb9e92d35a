/** Why a run stands where it stands, on the wire. */
import { z } from 'zod'
import type { Explanation } from '../../internal/explain/explain.ts'
import { protoEnumOut, protoName, RUN_STATUS } from '../dialect/enums.ts'
import { idOut } from './common.ts'
import { waitingOnOut } from './run.ts'
import { waitingOnView } from './run-view.ts'

export const explainAnswer = z
  .strictObject({
    run_id: idOut,
    status: protoEnumOut(RUN_STATUS, 'As the run says it.'),
    waiting_on: waitingOnOut.nullable(),
    checks: z
      .array(
        z.strictObject({
          name: z
            .string()
            .meta({ description: 'queue, capacity, lease, interaction_permission, … Append-only.' }),
          ok: z.boolean().meta({ description: 'It does not hold the run up.' }),
          detail: z.string(),
        }),
      )
      .meta({ description: 'What was looked at; only what concerns the status of the run.' }),
    next_step: z.string().meta({ description: 'Who has to do what, in a sentence.' }),
    estimate: z.string().nullable().meta({
      description: 'How long until something changes by itself, as a duration; null: nobody can tell.',
    }),
  })
  .meta({ id: 'Explanation', description: 'Why a run stands where it stands, and what to do.' })

export const explainView = (explanation: Explanation): z.output<typeof explainAnswer> => ({
  run_id: explanation.runId,
  status: protoName(RUN_STATUS, explanation.status),
  waiting_on: waitingOnView(explanation),
  checks: explanation.checks.map(({ name, ok, detail }) => ({ name, ok, detail })),
  next_step: explanation.nextStep,
  estimate: explanation.estimate,
})
