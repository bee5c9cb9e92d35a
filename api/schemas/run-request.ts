/** What callers say about runs: create, list. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { ProfileSettings } from '../../internal/profile/profile.ts'
import type { RunFilter } from '../../internal/run/run.ts'
import type { NewRun } from '../../internal/run/run-service.ts'
import { protoEnumIn, protoEnumQuery, RUN_MODE, RUN_STATUS } from '../dialect/enums.ts'
import { flagIn, flagQuery, longTextIn, textIn } from '../dialect/fields.ts'
import { isObject } from '../dialect/keys.ts'
import { MAX_PROMPT_BYTES } from '../limits.ts'
import { NOT_YET } from '../not-yet.ts'
import { idFilter, idOr404, repeatedId } from './common.ts'
import { keyIn } from './idempotency.ts'
import { agreed, pageQuery } from './page.ts'
import { profileFrom, profileIn } from './profile.ts'
import { settingsFrom, settingsIn } from './settings.ts'

const clear = (list: string) =>
  flagIn(`Drops the ${list} of the profile; ${list} sent with it takes its place.`)

const inlineConfigIn = z
  .strictObject({
    ...settingsIn,
    clear_allowed_tools: clear('allowed_tools'),
    clear_denied_tools: clear('denied_tools'),
    clear_allowed_paths: clear('allowed_paths'),
    clear_denied_paths: clear('denied_paths'),
    clear_fallback_runner_types: flagIn('That list is not built yet, so there is nothing to clear.'),
  })
  .meta({
    id: 'RunConfigOverrides',
    description: 'Settings of this run alone; they win over the profile.',
  })

const profileRefIn = z
  .strictObject({
    profile_key: z.string().min(1).max(255).meta({ description: 'The key of the profile.' }),
    defaults: profileIn.nullish().meta({ description: 'The profile to make where none has this key.' }),
  })
  .nullish()

export const createRunBody = z.strictObject({
  task_id: z.string().meta({ description: 'The task to run.' }),
  agent_profile_id: textIn(255, 'The profile; at most one of agent_profile_id and profile_ref.'),
  profile_ref: profileRefIn,
  tag: textIn(255, "A label to find runs by; not unique. Absent: the run's id."),
  run_mode: protoEnumIn(RUN_MODE, 'sandboxed, or in_place: in the project itself, nothing held back.'),
  inline_config: inlineConfigIn.nullish(),
  force: flagIn('Skips waiting for capacity and scope; never policy.'),
  prompt: longTextIn(MAX_PROMPT_BYTES, "What the agent is told; absent: the task's description."),
  idempotency_key: keyIn
    .nullish()
    .transform((key) => key || null)
    .meta({ description: 'The same as the header Idempotency-Key; at most 500 bytes.' }),
  ...NOT_YET.createRun,
})

export const createRunQuery = z.strictObject({
  dry_run: flagQuery('Checks everything and creates nothing: the answer is a 200 with every check.'),
})

export const retryBody = z.strictObject({
  run_id: repeatedId,
  prompt: longTextIn(MAX_PROMPT_BYTES, 'What the agent is told; absent: what this run was told first.'),
  tag: textIn(255, 'The label of the new run; absent: that of this run.'),
})

const MAX_TURN = 1_000_000

export const forkBody = z.strictObject({
  run_id: repeatedId,
  message: longTextIn(MAX_PROMPT_BYTES, 'What the agent is told first; absent: to go on with the task.'),
  from_turn: z
    .int()
    .min(1)
    .max(MAX_TURN)
    .nullish()
    .transform((turn) => turn ?? null)
    .meta({ description: 'The turn at whose end it goes off; absent: the last one that is over.' }),
})

/** The key in a body that is not validated yet; null where it has none that could be one. */
export function keyInBody(body: unknown): string | null {
  if (!isObject(body)) return null
  const key = body['idempotency_key'] ?? body['idempotencyKey']
  return typeof key === 'string' && key !== '' && keyIn.safeParse(key).success ? key : null
}

/** Of a query that is not validated yet. */
export function isDryRun(query: unknown): boolean {
  if (!isObject(query)) return false
  const asked = query['dry_run'] ?? query['dryRun']
  return asked !== undefined && asked !== '' && asked !== 'false' && asked !== '0'
}

/** Throws NOT_FOUND_* for what cannot be an id, VALIDATION_CONFLICT for two profiles or two keys. */
export function newRunFrom(body: z.output<typeof createRunBody>, headerKey: string | undefined): NewRun {
  const { agent_profile_id: profileId, profile_ref: profileRef } = body
  if (profileId !== null && profileRef) {
    throw new AppError(
      'VALIDATION_CONFLICT',
      'agent_profile_id and profile_ref exclude each other; send one.',
    )
  }
  if (headerKey !== undefined && body.idempotency_key !== null && headerKey !== body.idempotency_key) {
    throw new AppError(
      'VALIDATION_CONFLICT',
      'Idempotency-Key and idempotency_key differ; send one of the two.',
    )
  }
  return {
    taskId: idOr404(body.task_id, 'NOT_FOUND_TASK'),
    profileId: profileId === null ? null : idOr404(profileId, 'NOT_FOUND_PROFILE'),
    profileRef: profileRef ? profileRefFrom(profileRef) : null,
    tag: body.tag,
    runMode: body.run_mode,
    inlineConfig: body.inline_config ? inlineConfigFrom(body.inline_config) : {},
    force: body.force ?? false,
    prompt: body.prompt || null,
    idempotencyKey: headerKey ?? body.idempotency_key,
  }
}

/** An empty list in a request is unset and inherits; inside, an empty list is a list and inherits nothing. */
function inlineConfigFrom(input: z.output<typeof inlineConfigIn>): ProfileSettings {
  return {
    ...(input.clear_allowed_tools && { allowedTools: [] }),
    ...(input.clear_denied_tools && { deniedTools: [] }),
    ...(input.clear_allowed_paths && { allowedPaths: [] }),
    ...(input.clear_denied_paths && { deniedPaths: [] }),
    ...settingsFrom(input, 'inline_config'),
  }
}

function profileRefFrom(ref: NonNullable<z.output<typeof profileRefIn>>): NonNullable<NewRun['profileRef']> {
  const defaults = ref.defaults ? profileFrom(ref.defaults, 'profile_ref.defaults', ref.profile_key) : null
  return { profileKey: ref.profile_key, defaults }
}

export const listRunsQuery = z.strictObject({
  status: protoEnumQuery(RUN_STATUS, 'Only runs in this status.'),
  task_id: idFilter('Only runs of this task.'),
  agent_profile_id: idFilter('Only runs of this profile.'),
  profile_id: idFilter('The same as agent_profile_id.'),
  tag_prefix: z.string().max(255).optional().meta({ description: 'Only runs whose tag starts so.' }),
  ...pageQuery('Runs'),
})

type ListRunsQuery = z.output<typeof listRunsQuery>

export function filterFrom(query: ListRunsQuery): RunFilter {
  return {
    status: query.status,
    taskId: query.task_id ?? null,
    profileId: agreed(['agent_profile_id', query.agent_profile_id], ['profile_id', query.profile_id]),
    tagPrefix: query.tag_prefix || null,
  }
}
