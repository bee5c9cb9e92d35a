/** The settings of a profile, and those a run was resolved to, on the way out. The way in is settings.ts. */
import { z } from 'zod'
import { formatDuration } from '../../internal/duration.ts'
import type { ProfileSettings } from '../../internal/profile/profile.ts'
import type { RunConfig } from '../../internal/run/run.ts'
import { PERMISSION_MODES } from '../../internal/runner/port.ts'
import { protoEnumOut, protoName, RUNNER_TYPE } from '../dialect/enums.ts'
import { mcpServersOut, mcpServerView } from './mcp-server.ts'
import { SETTINGS_TEXT as TEXT } from './settings-text.ts'

const unbuilt = z.null().meta({ description: 'Always unset: not built yet.' })
const emptyList = z.array(z.string()).meta({ description: 'Always empty: not built yet.' })

const texts = (description: string) => z.array(z.string()).meta({ description })
const durationOut = (description: string) =>
  z
    .string()
    .nullable()
    .meta({ description: `${description} For example "1800s".` })

/** Members of an answer; null where unset (a profile inherits), never null in a resolved config but for model. */
export const settingsOut = {
  runner_type: protoEnumOut(RUNNER_TYPE, TEXT.runner_type).nullable(),
  model: z
    .string()
    .nullable()
    .meta({ description: `${TEXT.model} null: the runner's own default.` }),
  model_preset: unbuilt,
  max_turns: z.int().nullable().meta({ description: TEXT.max_turns }),
  timeout: durationOut(TEXT.timeout),
  fallback_runner_types: emptyList,
  allowed_tools: texts(TEXT.allowed_tools),
  denied_tools: texts(TEXT.denied_tools),
  skip_permission_prompt: z.boolean().meta({ description: TEXT.skip_permission_prompt }),
  requires_sandbox: z.boolean().nullable().meta({ description: TEXT.requires_sandbox }),
  requires_approval: z.boolean().nullable().meta({ description: TEXT.requires_approval }),
  sandbox_config: unbuilt,
  allowed_paths: texts(TEXT.allowed_paths),
  denied_paths: texts(TEXT.denied_paths),
  permission_mode: z.enum(PERMISSION_MODES).nullable().meta({ description: TEXT.permission_mode }),
  interaction_timeout: durationOut(TEXT.interaction_timeout),
  interaction_default: z.enum(['deny', 'allow']).nullable().meta({ description: TEXT.interaction_default }),
  idle_timeout: durationOut(TEXT.idle_timeout),
  on_lost: z.enum(['resume', 'restart', 'fail']).nullable().meta({ description: TEXT.on_lost }),
  budget: unbuilt,
  env: texts(TEXT.env),
  home: z.enum(['isolated', 'user']).nullable().meta({ description: TEXT.home }),
  caches: emptyList,
  mcp_servers: mcpServersOut,
  trust_project: z.boolean().nullable().meta({ description: TEXT.trust_project }),
  network: z.enum(['allow', 'deny']).nullable().meta({ description: TEXT.network }),
  containment: z.enum(['required', 'preferred']).nullable().meta({ description: TEXT.containment }),
}

type Settings = Partial<RunConfig> | ProfileSettings

export const settingsView = (settings: Settings) => ({
  runner_type: settings.runnerType ? protoName(RUNNER_TYPE, settings.runnerType) : null,
  model: settings.model ?? null,
  max_turns: settings.maxTurns ?? null,
  timeout: durationOrNull(settings.timeoutMs),
  idle_timeout: durationOrNull(settings.idleTimeoutMs),
  on_lost: settings.onLost ?? null,
  ...rulesView(settings),
  ...placeView(settings),
  ...UNBUILT,
})

const rulesView = (settings: Settings) => ({
  allowed_tools: [...(settings.allowedTools ?? [])],
  denied_tools: [...(settings.deniedTools ?? [])],
  allowed_paths: [...(settings.allowedPaths ?? [])],
  denied_paths: [...(settings.deniedPaths ?? [])],
  permission_mode: settings.permissionMode ?? null,
  skip_permission_prompt: settings.permissionMode === 'bypass',
  interaction_timeout: durationOrNull(settings.interactionTimeoutMs),
  interaction_default: settings.interactionDefault ?? null,
  trust_project: settings.trustProject ?? null,
})

const placeView = (settings: Settings) => ({
  requires_sandbox: settings.requiresSandbox ?? null,
  requires_approval: settings.requiresApproval ?? null,
  containment: settings.containment ?? null,
  network: settings.network ?? null,
  home: settings.home ?? null,
  env: [...(settings.env ?? [])],
  mcp_servers: (settings.mcpServers ?? []).map(mcpServerView),
})

const UNBUILT = {
  model_preset: null,
  fallback_runner_types: [],
  sandbox_config: null,
  budget: null,
  caches: [],
}

const durationOrNull = (ms: number | undefined): string | null =>
  ms === undefined ? null : formatDuration(ms)
