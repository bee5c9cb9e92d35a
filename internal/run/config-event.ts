/** The resolved configuration as the log and the wire say it: snake_case, durations as text. */
import { formatDuration } from '../duration.ts'
import type { NewEvent } from '../event/event.ts'
import type { ConfigSources, RunConfig } from './run.ts'

const WIRE_NAMES = {
  runnerType: 'runner_type',
  model: 'model',
  maxTurns: 'max_turns',
  timeoutMs: 'timeout',
  idleTimeoutMs: 'idle_timeout',
  permissionMode: 'permission_mode',
  requiresSandbox: 'requires_sandbox',
  requiresApproval: 'requires_approval',
  containment: 'containment',
  network: 'network',
  home: 'home',
  env: 'env',
  allowedTools: 'allowed_tools',
  deniedTools: 'denied_tools',
  allowedPaths: 'allowed_paths',
  deniedPaths: 'denied_paths',
  interactionTimeoutMs: 'interaction_timeout',
  interactionDefault: 'interaction_default',
  onLost: 'on_lost',
  mcpServers: 'mcp_servers',
  trustProject: 'trust_project',
} as const satisfies Record<keyof RunConfig, string>

const isName = (name: string): name is keyof RunConfig => Object.hasOwn(WIRE_NAMES, name)

/** @param resumeMode how a turn goes on with an earlier one; null: at the run's creation */
export function configEvent(
  config: RunConfig,
  sources: ConfigSources,
  resumeMode: 'native' | 'replayed' | 'fresh' | null,
): NewEvent {
  const names = Object.keys(WIRE_NAMES).filter(isName)
  const resolved = Object.fromEntries(names.map((name) => [WIRE_NAMES[name], wireValue(config, name)]))
  const from = Object.fromEntries(names.map((name) => [WIRE_NAMES[name], sources[name]]))
  return { payload: { config: { resolved, sources: from, resume_mode: resumeMode } }, synthetic: true }
}

function wireValue(config: RunConfig, name: keyof RunConfig): unknown {
  if (name === 'timeoutMs' || name === 'idleTimeoutMs' || name === 'interactionTimeoutMs')
    return formatDuration(config[name])
  if (name === 'mcpServers') return config.mcpServers.map(mcpServerOnTheWire)
  if (name === 'runnerType') return `RUNNER_TYPE_${config.runnerType.toUpperCase().replaceAll('-', '_')}`
  return config[name]
}

/** As in a profile: names of variables, never their values. */
const mcpServerOnTheWire = (server: RunConfig['mcpServers'][number]): unknown =>
  'url' in server
    ? { name: server.name, url: server.url, headers_env: server.headersEnv }
    : { name: server.name, command: server.command, args: server.args, env: server.env }
