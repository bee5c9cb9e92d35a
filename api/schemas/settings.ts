/** What a profile and an inline config may say, on the way in. The way out is settings-view.ts. */
import { z } from 'zod'
import { AppError } from '../../internal/errors.ts'
import type { ProfileSettings } from '../../internal/profile/profile.ts'
import { PERMISSION_MODES } from '../../internal/runner/port.ts'
import { protoEnumIn, RUNNER_TYPE } from '../dialect/enums.ts'
import { durationIn, flagIn, textIn, wordIn } from '../dialect/fields.ts'
import {
  MAX_INTERACTION_TIMEOUT_MS,
  MAX_RUN_TIMEOUT_MS,
  MIN_INTERACTION_TIMEOUT_MS,
  MIN_RUN_TIMEOUT_MS,
} from '../limits.ts'
import { NOT_YET } from '../not-yet.ts'
import { envNamesIn } from './env-names.ts'
import { mcpServersIn } from './mcp-server.ts'
import { checkDisjoint, globsIn, toolsIn } from './rules.ts'
import { SETTINGS_TEXT as TEXT } from './settings-text.ts'

const maxTurnsIn = z
  .int('must be a whole number from 0 to 1000')
  .min(0)
  .max(1000)
  .nullish()
  .transform((turns) => turns || null)
  .meta({ description: `${TEXT.max_turns} 0 means unset.` })

const envIn = envNamesIn
  .transform((names) => (names && names.length > 0 ? names : null))
  .meta({ description: TEXT.env })

/** Members of a request that set how a run is done. Unset members inherit. */
export const settingsIn = {
  runner_type: protoEnumIn(RUNNER_TYPE, TEXT.runner_type),
  model: textIn(255, TEXT.model),
  max_turns: maxTurnsIn,
  timeout: durationIn(MIN_RUN_TIMEOUT_MS, MAX_RUN_TIMEOUT_MS, TEXT.timeout),
  idle_timeout: durationIn(1000, MAX_RUN_TIMEOUT_MS, TEXT.idle_timeout),
  allowed_tools: toolsIn(TEXT.allowed_tools),
  denied_tools: toolsIn(TEXT.denied_tools),
  allowed_paths: globsIn(TEXT.allowed_paths),
  denied_paths: globsIn(TEXT.denied_paths),
  permission_mode: wordIn(PERMISSION_MODES, TEXT.permission_mode),
  skip_permission_prompt: flagIn(TEXT.skip_permission_prompt),
  interaction_timeout: durationIn(
    MIN_INTERACTION_TIMEOUT_MS,
    MAX_INTERACTION_TIMEOUT_MS,
    TEXT.interaction_timeout,
  ),
  interaction_default: wordIn(['deny', 'allow'], TEXT.interaction_default),
  on_lost: wordIn(['resume', 'restart', 'fail'], TEXT.on_lost),
  requires_sandbox: flagIn(TEXT.requires_sandbox),
  requires_approval: flagIn(TEXT.requires_approval),
  containment: wordIn(['required', 'preferred'], TEXT.containment),
  network: wordIn(['allow', 'deny'], TEXT.network),
  home: wordIn(['isolated', 'user'], TEXT.home),
  env: envIn,
  mcp_servers: mcpServersIn,
  trust_project: flagIn(TEXT.trust_project),
  ...NOT_YET.settings,
}

const settingsInSchema = z.object(settingsIn)
export type SettingsIn = z.output<typeof settingsInSchema>

/**
 * Throws VALIDATION_CONFLICT for settings that contradict each other.
 * @param path where in the request the settings stand, for faults
 */
export function settingsFrom(input: SettingsIn, path: string): ProfileSettings {
  if (input.skip_permission_prompt && (input.permission_mode ?? 'bypass') !== 'bypass') {
    throw new AppError(
      'VALIDATION_CONFLICT',
      `${path}.skip_permission_prompt and ${path}.permission_mode contradict each other; send one of the two.`,
    )
  }
  checkDisjoint(input, path)
  return present({
    runnerType: input.runner_type,
    model: input.model,
    maxTurns: input.max_turns,
    timeoutMs: input.timeout,
    idleTimeoutMs: input.idle_timeout,
    allowedTools: input.allowed_tools,
    deniedTools: input.denied_tools,
    allowedPaths: input.allowed_paths,
    deniedPaths: input.denied_paths,
    permissionMode: input.skip_permission_prompt ? 'bypass' : input.permission_mode,
    interactionTimeoutMs: input.interaction_timeout,
    interactionDefault: input.interaction_default,
    onLost: input.on_lost,
    requiresSandbox: input.requires_sandbox,
    requiresApproval: input.requires_approval,
    containment: input.containment,
    network: input.network,
    home: input.home,
    env: input.env,
    mcpServers: input.mcp_servers,
    trustProject: input.trust_project,
  })
}

type Nullable<T> = { readonly [K in keyof T]-?: T[K] | null }
type Given = Nullable<Required<Omit<ProfileSettings, 'description'>>>

/** Absent is how the inside says "inherit". */
const present = (given: Given): ProfileSettings => ({
  ...ofAgent(given),
  ...ofRules(given),
  ...ofPlace(given),
})

const ofAgent = (given: Given): ProfileSettings => ({
  ...(given.runnerType !== null && { runnerType: given.runnerType }),
  ...(given.model !== null && { model: given.model }),
  ...(given.maxTurns !== null && { maxTurns: given.maxTurns }),
  ...(given.timeoutMs !== null && { timeoutMs: given.timeoutMs }),
  ...(given.idleTimeoutMs !== null && { idleTimeoutMs: given.idleTimeoutMs }),
  ...(given.onLost !== null && { onLost: given.onLost }),
  ...(given.mcpServers !== null && { mcpServers: given.mcpServers }),
})

const ofRules = (given: Given): ProfileSettings => ({
  ...(given.allowedTools !== null && { allowedTools: given.allowedTools }),
  ...(given.deniedTools !== null && { deniedTools: given.deniedTools }),
  ...(given.allowedPaths !== null && { allowedPaths: given.allowedPaths }),
  ...(given.deniedPaths !== null && { deniedPaths: given.deniedPaths }),
  ...(given.permissionMode !== null && { permissionMode: given.permissionMode }),
  ...(given.interactionTimeoutMs !== null && { interactionTimeoutMs: given.interactionTimeoutMs }),
  ...(given.interactionDefault !== null && { interactionDefault: given.interactionDefault }),
  ...(given.trustProject !== null && { trustProject: given.trustProject }),
})

const ofPlace = (given: Given): ProfileSettings => ({
  ...(given.requiresSandbox !== null && { requiresSandbox: given.requiresSandbox }),
  ...(given.requiresApproval !== null && { requiresApproval: given.requiresApproval }),
  ...(given.containment !== null && { containment: given.containment }),
  ...(given.network !== null && { network: given.network }),
  ...(given.home !== null && { home: given.home }),
  ...(given.env !== null && { env: given.env }),
})
