/** A run on the wire. */
import { z } from 'zod'
import { APPROVAL_STATE, protoEnumOut, RUN_MODE, RUN_PHASE, RUN_STATUS } from '../dialect/enums.ts'
import { idOut, timeOut } from './common.ts'
import { pageOut } from './page.ts'
import { settingsOut } from './settings-view.ts'

const WAITS = [
  'capacity',
  'scope_lock',
  'quota',
  'interaction',
  'budget',
  'policy',
  'runner',
  'sandbox',
  'review_backlog',
] as const

const unset = z.null().meta({ description: 'Always null: not built yet.' })
const emptyList = z.array(z.string()).meta({ description: 'Always empty: see the diff.' })

export const waitingOnOut = z
  .strictObject({
    kind: z.enum(WAITS),
    detail: z.string(),
    since: timeOut('Since when.'),
    estimate: z.string().nullable(),
  })
  .meta({ id: 'WaitingOn', description: 'What holds the run up.' })

const failureOut = z
  .strictObject({
    code: z.string().meta({ description: 'agent_error, wall_timeout, rate_limited, sandbox_error, …' }),
    message: z.string(),
    recovery: z.string(),
    retryable: z.boolean(),
    exit_code: z.int().nullable(),
    signal: z.string().nullable(),
    stderr_tail: z.string().nullable().meta({ description: 'The last of what the agent wrote to stderr.' }),
  })
  .meta({ id: 'Failure', description: 'Why the run failed.' })

const usageOut = z
  .strictObject({
    input_tokens: z.number(),
    output_tokens: z.number(),
    cache_read_tokens: z.number(),
    cache_creation_tokens: z.number(),
    total_cost_usd: z.number().nullable().meta({ description: 'null: the runner cannot say.' }),
    cost_source: z.enum(['runner_reported', 'gateway', 'price_table', 'local', 'unknown']),
  })
  .meta({ id: 'Usage', description: 'What the run has cost so far.' })

const summaryOut = z
  .strictObject({
    description: z.string().meta({ description: 'What the agent said at the end.' }),
    files_modified: emptyList,
    files_created: emptyList,
    files_deleted: emptyList,
    tokens_used: z.number(),
    turns_used: z.int(),
    cost_estimate: z.number().nullable().meta({ description: 'In USD.' }),
  })
  .meta({ id: 'RunSummary', description: 'The outcome of the newest turn.' })

const diffSummaryOut = z
  .strictObject({
    digest: z.string().meta({ description: 'Approve with it: a diff that changed since is refused.' }),
    files: z.int(),
    additions: z.int(),
    deletions: z.int(),
  })
  .meta({ id: 'DiffSummary', description: 'The diff as it was when the turn ended.' })

const state = {
  status: protoEnumOut(RUN_STATUS, 'complete, failed and cancelled are final.'),
  phase: protoEnumOut(RUN_PHASE, 'What is being done.'),
  progress_percent: z.number(),
  turn: z.int().meta({ description: 'Goes up with each continuation.' }),
  attempt: z.int().meta({ description: 'Goes up each time a replica takes the run.' }),
  stopping: z.boolean().meta({ description: 'A stop was asked for and is on its way.' }),
  waiting_on: waitingOnOut.nullable(),
  failure: failureOut.nullable(),
  error_msg: z.string().nullable().meta({ description: 'The message of failure.' }),
  exit_code: z.int().nullable().meta({ description: 'The exit code of failure.' }),
  pending_interactions: z.int().meta({ description: 'Questions waiting for a person.' }),
}

const review = {
  approval_state: protoEnumOut(APPROVAL_STATE, 'What was decided about the changes.'),
  approved_by: z.string().nullable(),
  approved_at: timeOut('When it was decided.').nullable(),
  diff: diffSummaryOut.nullable(),
  changed_files: z.int().nullable().meta({ description: 'diff.files' }),
}

const configuration = {
  run_mode: protoEnumOut(RUN_MODE, 'Where the agent works.'),
  resolved_config: z
    .strictObject(settingsOut)
    .meta({ id: 'RunConfig', description: 'The settings the run was created with, all sources merged.' }),
  config_sources: z
    .record(z.string(), z.enum(['inline', 'profile', 'lever', 'default']))
    .meta({ description: 'Where each setting came from.' }),
  profile_version: z.int().nullable(),
  runner_version: z.string().nullable(),
  contained: z
    .enum(['full', 'process', 'none'])
    .nullable()
    .meta({ description: 'How the agent was contained.' }),
}

const sandbox = {
  sandbox_id: z.string().nullable(),
  sandbox_generation: z.int(),
  session_id: z.string().nullable().meta({ description: 'The session as the runner calls it.' }),
  resume_mode: z.enum(['native', 'replayed', 'fresh']).nullable(),
}

const links = {
  retry_of: idOut.nullable().meta({ description: 'The run that this one repeats.' }),
  fork_of: idOut.nullable().meta({ description: 'The run that this one went off from.' }),
}

const times = {
  created_at: timeOut('When the run was created.'),
  updated_at: timeOut('When it last changed.'),
  started_at: timeOut('When the first turn started.').nullable(),
  ended_at: timeOut('When the newest turn ended.').nullable(),
  last_heartbeat: timeOut('When its replica last said it was alive.').nullable(),
}

const forClientsThatLookForThem = {
  error: z.string().nullable().meta({ description: 'The same as error_msg.', deprecated: true }),
  progress: z
    .strictObject({ percent: z.number(), currentAction: z.string().nullable() })
    .meta({ description: 'The same as progress_percent.', deprecated: true }),
  last_checkpoint_id: unset,
  sandbox_config: unset,
  diff_path: unset,
  log_path: unset,
  total_size_bytes: unset,
}

export const runOut = z
  .strictObject({
    id: idOut,
    task_id: idOut,
    agent_profile_id: idOut.nullable(),
    tag: z.string(),
    idempotency_key: z.string().nullable(),
    ...state,
    summary: summaryOut.nullable(),
    usage: usageOut,
    ...review,
    ...configuration,
    ...sandbox,
    ...links,
    ...times,
    ...forClientsThatLookForThem,
  })
  .meta({ id: 'Run', description: 'One execution of a task.' })

export const runAnswer = z.strictObject({ run: runOut })

export const getRunAnswer = z.strictObject({
  run: runOut,
  status: z
    .enum(['running', 'completed', 'failed', 'cancelled'])
    .meta({ description: 'A rough status for old clients; use run.status.', deprecated: true }),
  error: z.string().nullable().meta({ description: 'Use run.failure.', deprecated: true }),
})

export const listRunsAnswer = z.strictObject({
  runs: z.array(runOut),
  ...pageOut,
})

export const stopRunAnswer = z.strictObject({
  status: z
    .literal('stopped')
    .meta({ description: 'The intent is durable; the run is cancelled in a moment.' }),
  run: runOut,
})
