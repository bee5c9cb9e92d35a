/** What a profile, an inline config and a resolved config have in common, in and out. */
import { z } from 'zod'
import { formatDuration } from '../../internal/duration.ts'
import { AppError } from '../../internal/errors.ts'
import type { ProfileSettings } from '../../internal/profile/profile.ts'
import type { RunConfig } from '../../internal/run/run.ts'
import { PERMISSION_MODES } from '../../internal/runner/port.ts'
import { protoEnumIn, protoEnumOut, protoName, RUNNER_TYPE } from '../dialect/enums.ts'
import { durationIn, flagIn, textIn } from '../dialect/fields.ts'
import { MAX_RUN_TIMEOUT_MS, MIN_RUN_TIMEOUT_MS } from '../limits.ts'
import { NOT_YET } from '../not-yet.ts'

const TEXT = {
  runner_type: 'Which agent program runs.',
  model: 'The model, as the runner calls it.',
  max_turns: 'Model calls of one turn, at most 1000.',
  timeout: 'Wall clock of one turn.',
  idle_timeout: 'Longest silence of the agent.',
  permission_mode: 'What the agent may do without asking: ask, auto, read_only or bypass.',
  skip_permission_prompt: 'The same as permission_mode bypass.',
  requires_sandbox: 'Whether the agent works in a sandbox instead of the project itself.',
  requires_approval: 'Whether changes wait for a decision.',
  containment: 'Whether the run is refused where the agent cannot be contained: required or preferred.',
  network: 'Whether the agent reaches the network: allow or deny.',
  home: "The home folder the agent sees: isolated (the run's own) or user.",
  env: 'Names of environment variables of the service that are passed to the agent.',
} as const

const wordIn = <const V extends readonly string[]>(values: V, description: string) =>
  z
    .preprocess(
      (value) => (value === '' ? null : value),
      z.enum(values, { error: `must be one of ${values.join(', ')}` }).nullish(),
    )
    .transform((value) => value ?? null)
    .meta({ description })

const maxTurnsIn = z
  .int('must be a whole number from 0 to 1000')
  .min(0)
  .max(1000)
  .nullish()
  .transform((turns) => turns || null)
  .meta({ description: `${TEXT.max_turns} 0 means unset.` })

const envIn = z
  .array(
    z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable')
      .max(255),
  )
  .max(100)
  .nullish()
  .transform((names) => (names && names.length > 0 ? names : null))
  .meta({ description: TEXT.env })

/** Members of a request that set how a run is done. Unset members inherit. */
export const settingsIn = {
  runner_type: protoEnumIn(RUNNER_TYPE, TEXT.runner_type),
  model: textIn(255, TEXT.model),
  max_turns: maxTurnsIn,
  timeout: durationIn(MIN_RUN_TIMEOUT_MS, MAX_RUN_TIMEOUT_MS, TEXT.timeout),
  idle_timeout: durationIn(1000, MAX_RUN_TIMEOUT_MS, TEXT.idle_timeout),
  permission_mode: wordIn(PERMISSION_MODES, TEXT.permission_mode),
  skip_permission_prompt: flagIn(TEXT.skip_permission_prompt),
  requires_sandbox: flagIn(TEXT.requires_sandbox),
  requires_approval: flagIn(TEXT.requires_approval),
  containment: wordIn(['required', 'preferred'], TEXT.containment),
  network: wordIn(['allow', 'deny'], TEXT.network),
  home: wordIn(['isolated', 'user'], TEXT.home),
  env: envIn,
  ...NOT_YET.settings,
}

const settingsInSchema = z.object(settingsIn)
type SettingsIn = z.output<typeof settingsInSchema>

/** @param path where in the request the settings stand, for faults */
export function settingsFrom(input: SettingsIn, path: string): ProfileSettings {
  if (input.skip_permission_prompt && (input.permission_mode ?? 'bypass') !== 'bypass') {
    throw new AppError(
      'VALIDATION_CONFLICT',
      `${path}.skip_permission_prompt and ${path}.permission_mode contradict each other; send one of the two.`,
    )
  }
  const permissionMode = input.skip_permission_prompt ? 'bypass' : input.permission_mode
  return present({
    runnerType: input.runner_type,
    model: input.model,
    maxTurns: input.max_turns,
    timeoutMs: input.timeout,
    idleTimeoutMs: input.idle_timeout,
    permissionMode,
    requiresSandbox: input.requires_sandbox,
    requiresApproval: input.requires_approval,
    containment: input.containment,
    network: input.network,
    home: input.home,
    env: input.env,
  })
}

type Nullable<T> = { readonly [K in keyof T]-?: T[K] | null }
type Execution = Omit<ProfileSettings, 'description'>

/** Absent is how the inside says "inherit". */
function present(settings: Nullable<Required<Execution>>): ProfileSettings {
  return {
    ...(settings.runnerType !== null && { runnerType: settings.runnerType }),
    ...(settings.model !== null && { model: settings.model }),
    ...(settings.maxTurns !== null && { maxTurns: settings.maxTurns }),
    ...(settings.timeoutMs !== null && { timeoutMs: settings.timeoutMs }),
    ...(settings.idleTimeoutMs !== null && { idleTimeoutMs: settings.idleTimeoutMs }),
    ...(settings.permissionMode !== null && { permissionMode: settings.permissionMode }),
    ...(settings.requiresSandbox !== null && { requiresSandbox: settings.requiresSandbox }),
    ...(settings.requiresApproval !== null && { requiresApproval: settings.requiresApproval }),
    ...(settings.containment !== null && { containment: settings.containment }),
    ...(settings.network !== null && { network: settings.network }),
    ...(settings.home !== null && { home: settings.home }),
    ...(settings.env !== null && { env: settings.env }),
  }
}

const unbuilt = 'Always unset: not built yet.'
const emptyList = z.array(z.string()).meta({ description: 'Always empty: not built yet.' })
const unset = z.null().meta({ description: unbuilt })

/** Members of an answer; null where unset (a profile inherits), never null in a resolved config but for model. */
export const settingsOut = {
  runner_type: protoEnumOut(RUNNER_TYPE, TEXT.runner_type).nullable(),
  model: z
    .string()
    .nullable()
    .meta({ description: `${TEXT.model} null: the runner's own default.` }),
  model_preset: unset,
  max_turns: z.int().nullable().meta({ description: TEXT.max_turns }),
  timeout: z
    .string()
    .nullable()
    .meta({ description: `${TEXT.timeout} For example "1800s".` }),
  fallback_runner_types: emptyList,
  allowed_tools: emptyList,
  denied_tools: emptyList,
  skip_permission_prompt: z.boolean().meta({ description: TEXT.skip_permission_prompt }),
  requires_sandbox: z.boolean().nullable().meta({ description: TEXT.requires_sandbox }),
  requires_approval: z.boolean().nullable().meta({ description: TEXT.requires_approval }),
  sandbox_config: unset,
  allowed_paths: emptyList,
  denied_paths: emptyList,
  permission_mode: z.enum(PERMISSION_MODES).nullable().meta({ description: TEXT.permission_mode }),
  interaction_timeout: unset,
  interaction_default: unset,
  idle_timeout: z.string().nullable().meta({ description: TEXT.idle_timeout }),
  on_lost: unset,
  budget: unset,
  env: z.array(z.string()).meta({ description: TEXT.env }),
  home: z.enum(['isolated', 'user']).nullable().meta({ description: TEXT.home }),
  caches: emptyList,
  mcp_servers: emptyList,
  network: z.enum(['allow', 'deny']).nullable().meta({ description: TEXT.network }),
  containment: z.enum(['required', 'preferred']).nullable().meta({ description: TEXT.containment }),
}

export function settingsView(settings: Partial<RunConfig> | ProfileSettings) {
  return {
    runner_type: settings.runnerType ? protoName(RUNNER_TYPE, settings.runnerType) : null,
    model: settings.model ?? null,
    model_preset: null,
    max_turns: settings.maxTurns ?? null,
    timeout: durationOrNull(settings.timeoutMs),
    fallback_runner_types: [],
    allowed_tools: [],
    denied_tools: [],
    skip_permission_prompt: settings.permissionMode === 'bypass',
    requires_sandbox: settings.requiresSandbox ?? null,
    requires_approval: settings.requiresApproval ?? null,
    sandbox_config: null,
    allowed_paths: [],
    denied_paths: [],
    permission_mode: settings.permissionMode ?? null,
    interaction_timeout: null,
    interaction_default: null,
    idle_timeout: durationOrNull(settings.idleTimeoutMs),
    on_lost: null,
    budget: null,
    env: [...(settings.env ?? [])],
    home: settings.home ?? null,
    caches: [],
    mcp_servers: [],
    network: settings.network ?? null,
    containment: settings.containment ?? null,
  }
}

const durationOrNull = (ms: number | undefined): string | null =>
  ms === undefined ? null : formatDuration(ms)
