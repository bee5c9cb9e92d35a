/** What would become of a run, and everything that stands in its way. */
import { z } from 'zod'
import { ERRORS } from '../../internal/errors.ts'
import type { RunPlan } from '../../internal/run/run-plan.ts'
import { protoEnumOut, protoName, RUN_MODE } from '../dialect/enums.ts'
import { sourcesView } from './run-view.ts'
import { settingsOut, settingsView } from './settings-view.ts'

const checkOut = z
  .strictObject({
    name: z.string().meta({ description: 'runner, provider_access, project_root, … Append-only.' }),
    ok: z.boolean(),
    code: z
      .enum(Object.keys(ERRORS))
      .nullable()
      .meta({ description: 'The code that creating the run would be refused with.' }),
    detail: z.string().meta({ description: 'What was found.' }),
    fix: z.string().nullable().meta({ description: 'What to do about it.' }),
  })
  .meta({ id: 'AdmissionCheck', description: 'One thing that is looked at before a run is made.' })

export const dryRunAnswer = z
  .strictObject({
    dry_run: z.literal(true),
    ok: z.boolean().meta({ description: 'The same request without dry_run would be taken.' }),
    checks: z.array(checkOut).meta({
      description:
        'In the order in which they count: a create answers with the first that is not ok. What hangs on something missing is left out.',
    }),
    run_mode: protoEnumOut(RUN_MODE, 'Where the agent would work.').nullable(),
    config: z
      .strictObject(settingsOut)
      .nullable()
      .meta({ description: 'The settings, all sources merged; null where the profile is not known.' }),
    sources: z
      .record(z.string(), z.enum(['inline', 'profile', 'lever', 'default']))
      .nullable()
      .meta({ description: 'Where each setting came from.' }),
  })
  .meta({ id: 'DryRun', description: 'Nothing was created.' })

export const dryRunView = ({ checks, resolved }: RunPlan): z.output<typeof dryRunAnswer> => ({
  dry_run: true,
  ok: checks.every((check) => check.ok),
  checks: checks.map(({ name, ok, code, detail, fix }) => ({ name, ok, code, detail, fix })),
  run_mode: resolved && protoName(RUN_MODE, resolved.mode),
  config: resolved && settingsView(resolved.config),
  sources: resolved && sourcesView(resolved.sources),
})
