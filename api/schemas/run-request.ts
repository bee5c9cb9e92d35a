/** What callers say about runs: create, list. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { PageRequest } from '../../internal/page.ts'
import type { ProfileSettings } from '../../internal/profile/profile.ts'
import type { RunFilter } from '../../internal/run/run.ts'
import type { NewRun } from '../../internal/run/run-service.ts'
import { protoEnumIn, protoEnumQuery, RUN_MODE, RUN_STATUS } from '../dialect/enums.ts'
import { flagIn, longTextIn, numberQuery, textIn } from '../dialect/fields.ts'
import { MAX_PROMPT_BYTES, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../limits.ts'
import { NOT_YET } from '../not-yet.ts'
import { idFilter, idOr404 } from './common.ts'
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

const MAX_KEY_BYTES = 500

const keyIn = z.string().refine((key) => Buffer.byteLength(key) <= MAX_KEY_BYTES, {
  params: { rule: 'max_bytes' },
  error: `must have at most ${MAX_KEY_BYTES} bytes; shorten it`,
})

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
    .meta({ description: `The same as the header Idempotency-Key; at most ${MAX_KEY_BYTES} bytes.` }),
  ...NOT_YET.createRun,
})

export const createRunQuery = z.strictObject(NOT_YET.createRunQuery)

export const createRunHeaders = z.looseObject({
  'idempotency-key': keyIn.min(1).optional().meta({
    description:
      'The same key with the same body answers with the run it made first, for as long as that run exists.',
  }),
})

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
  page_size: numberQuery(
    1,
    PAGE_SIZE_MAX,
    `Runs of a page, 1 to ${PAGE_SIZE_MAX}; default ${PAGE_SIZE_DEFAULT}.`,
  ),
  page_token: z.string().max(1024).optional().meta({ description: 'next_page_token of the page before.' }),
  limit: numberQuery(1, PAGE_SIZE_MAX, 'The same as page_size.'),
  offset: numberQuery(0, 1_000_000, 'Runs to leave out at the start; prefer page_token.'),
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

export function pageFrom(query: ListRunsQuery): PageRequest {
  const after = query.page_token || null
  if (after !== null && query.offset) {
    throw new AppError(
      'VALIDATION_CONFLICT',
      'page_token and offset exclude each other; send one of the two.',
    )
  }
  return {
    size: agreed(['page_size', query.page_size], ['limit', query.limit]) ?? PAGE_SIZE_DEFAULT,
    after,
    offset: query.offset ?? 0,
  }
}

/** The value of a parameter that has two names. */
function agreed<T>([name, value]: Named<T>, [alias, other]: Named<T>): T | null {
  if (value !== undefined && other !== undefined && value !== other) {
    throw new AppError(
      'VALIDATION_CONFLICT',
      `${name} and ${alias} say different things; send one of the two.`,
    )
  }
  return value ?? other ?? null
}

type Named<T> = readonly [name: string, value: T | undefined]
