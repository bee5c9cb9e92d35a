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

const DEFAULTS = {
  runnerType: 'claude-code',
  model: null,
  idleTimeoutMs: 10 * 60_000,
  containment: 'preferred',
  network: 'allow',
  env: [],
  allowedTools: [],
  deniedTools: [],
  allowedPaths: [],
  deniedPaths: [],
  interactionTimeoutMs: 5 * 60_000,
  interactionDefault: 'deny',
  onLost: 'resume',
  mcpServers: [],
  trustProject: false,
} as const satisfies Partial<RunConfig>

export function resolveConfig(
  inline: ProfileSettings,
  profile: ProfileSettings,
  levers: ConfigLevers,
  facts: {
    readonly mode: RunMode | null
    readonly hasProviderAccess: (runner: RunConfig['runnerType']) => boolean
  },
): { config: RunConfig; sources: ConfigSources } {
  const { description: _, ...given }: ProfileSettings = { ...profile, ...inline }
  const runnerType = given.runnerType ?? DEFAULTS.runnerType
  const requiresSandbox = given.requiresSandbox ?? levers.requiresSandbox
  const mode = facts.mode ?? (requiresSandbox ? 'sandboxed' : 'in_place')
  const config: RunConfig = {
    ...DEFAULTS,
    ...levers,
    // What is written inside a sandbox is reviewed anyway; in place it is not.
    permissionMode: mode === 'sandboxed' ? 'auto' : 'ask',
    home: defaultHome(facts.hasProviderAccess(runnerType)),
    ...given,
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
    allowedTools: from('allowedTools', 'default'),
    deniedTools: from('deniedTools', 'default'),
    allowedPaths: from('allowedPaths', 'default'),
    deniedPaths: from('deniedPaths', 'default'),
    interactionTimeoutMs: from('interactionTimeoutMs', 'default'),
    interactionDefault: from('interactionDefault', 'default'),
    onLost: from('onLost', 'default'),
    mcpServers: from('mcpServers', 'default'),
    trustProject: from('trustProject', 'default'),
  }
}
