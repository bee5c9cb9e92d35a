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
} as const satisfies Record<keyof RunConfig, string>

const isName = (name: string): name is keyof RunConfig => Object.hasOwn(WIRE_NAMES, name)

export function configEvent(config: RunConfig, sources: ConfigSources): NewEvent {
  const names = Object.keys(WIRE_NAMES).filter(isName)
  const resolved = Object.fromEntries(names.map((name) => [WIRE_NAMES[name], wireValue(config, name)]))
  const from = Object.fromEntries(names.map((name) => [WIRE_NAMES[name], sources[name]]))
  return { payload: { config: { resolved, sources: from, resume_mode: null } }, synthetic: true }
}

function wireValue(config: RunConfig, name: keyof RunConfig): unknown {
  if (name === 'timeoutMs' || name === 'idleTimeoutMs') return formatDuration(config[name])
  if (name === 'runnerType') return `RUNNER_TYPE_${config.runnerType.toUpperCase().replaceAll('-', '_')}`
  return config[name]
}
