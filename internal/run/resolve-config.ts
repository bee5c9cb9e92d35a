/** inline -> profile version -> lever -> default: one value each, and where it came from. Pure. */
import type { ProfileSettings } from '../profile/profile.ts'
import type { ConfigSources, RunConfig, RunMode } from './run.ts'

/** What the operator's levers say. */
export interface ConfigLevers {
  readonly maxTurns: number
  readonly timeoutMs: number
  readonly requiresSandbox: boolean
  readonly requiresApproval: boolean
}

const DEFAULT_IDLE_TIMEOUT_MS = 10 * 60_000
const DEFAULT_RUNNER = 'claude-code'

export function resolveConfig(
  inline: ProfileSettings,
  profile: ProfileSettings,
  levers: ConfigLevers,
  facts: {
    readonly mode: RunMode | null
    readonly hasProviderAccess: (runner: RunConfig['runnerType']) => boolean
  },
): { config: RunConfig; sources: ConfigSources } {
  const given: ProfileSettings = { ...profile, ...inline }
  const runnerType = given.runnerType ?? DEFAULT_RUNNER
  const requiresSandbox = given.requiresSandbox ?? levers.requiresSandbox
  const mode = facts.mode ?? (requiresSandbox ? 'sandboxed' : 'in_place')
  const config: RunConfig = {
    runnerType,
    model: given.model ?? null,
    maxTurns: given.maxTurns ?? levers.maxTurns,
    timeoutMs: given.timeoutMs ?? levers.timeoutMs,
    idleTimeoutMs: given.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
    // Absent: what is written inside a sandbox is reviewed anyway; in place it is not.
    permissionMode: given.permissionMode ?? (mode === 'sandboxed' ? 'auto' : 'ask'),
    requiresSandbox,
    requiresApproval: given.requiresApproval ?? levers.requiresApproval,
    containment: given.containment ?? 'preferred',
    network: given.network ?? 'allow',
    home: given.home ?? defaultHome(facts.hasProviderAccess(runnerType)),
    env: given.env ?? [],
  }
  return { config, sources: sourcesOf(inline, profile) }
}

/** Without a key or endpoint in the environment only the operator's own login can work. */
const defaultHome = (hasAccess: boolean): RunConfig['home'] => (hasAccess ? 'isolated' : 'user')

function sourcesOf(inline: ProfileSettings, profile: ProfileSettings): ConfigSources {
  const from = (key: keyof ProfileSettings, fallback: 'lever' | 'default') => {
    if (inline[key] !== undefined) return 'inline'
    return profile[key] === undefined ? fallback : 'profile'
  }
  return {
    runnerType: from('runnerType', 'default'),
    model: from('model', 'default'),
    maxTurns: from('maxTurns', 'lever'),
    timeoutMs: from('timeoutMs', 'lever'),
    idleTimeoutMs: from('idleTimeoutMs', 'default'),
    permissionMode: from('permissionMode', 'default'),
    requiresSandbox: from('requiresSandbox', 'lever'),
    requiresApproval: from('requiresApproval', 'lever'),
    containment: from('containment', 'default'),
    network: from('network', 'default'),
    home: from('home', 'default'),
    env: from('env', 'default'),
  }
}
