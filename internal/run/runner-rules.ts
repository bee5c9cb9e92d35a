/** Rules about the neighbours of a run: the agent program, what it can be held to, and the sandbox service. */
import { lstat, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../errors.ts'
import type { RunnerAdapter } from '../runner/port.ts'
import type { AdmissionDeps, AdmissionRequest, Rule } from './admission-rule.ts'
import type { RunConfig } from './run.ts'

const hasAdapter: NonNullable<Rule['applies']> = ({ config }, { registry }) => registry.has(config.runnerType)
const isSandboxed: NonNullable<Rule['applies']> = ({ mode }) => mode === 'sandboxed'

/** A rule that nobody applies would only look like protection. */
const HELD_TO: readonly {
  field: string
  wanted(config: RunConfig): boolean
  able(capabilities: RunnerAdapter['capabilities']): boolean
}[] = [
  { field: 'allowed_tools', wanted: (c) => c.allowedTools.length > 0, able: (c) => c.toolAllow },
  { field: 'denied_tools', wanted: (c) => c.deniedTools.length > 0, able: (c) => c.toolDeny },
  // Paths are judged when the agent asks to write: it has to ask.
  { field: 'allowed_paths', wanted: (c) => c.allowedPaths.length > 0, able: (c) => c.toolDeny },
  { field: 'denied_paths', wanted: (c) => c.deniedPaths.length > 0, able: (c) => c.toolDeny },
  { field: 'mcp_servers', wanted: (c) => c.mcpServers.length > 0, able: (c) => c.mcp },
  { field: 'trust_project', wanted: (c) => c.trustProject, able: (c) => c.mcp },
]

const heldTo: readonly Rule[] = HELD_TO.map(({ field, wanted, able }) => ({
  name: field,
  fix: `Leave ${field} out, or take a runner that can be held to it (GET /api/v1/runners).`,
  applies: (request, deps) => hasAdapter(request, deps) && wanted(request.config),
  look: ({ config }, { registry }) => {
    const { capabilities, type } = registry.adapter(config.runnerType)
    if (able(capabilities)) return `${type} applies it`
    throw lacks(`${field}: ${type} cannot be held to it; leave it out.`)
  },
}))

export const RUNNER_RULES: readonly Rule[] = [
  {
    name: 'runner',
    fix: 'Install the program of this runner in a supported version, or name another runner_type.',
    look: async ({ config }, { registry }) => {
      const probe = await registry.probe(config.runnerType)
      if (probe.available && probe.versionSupported) return `${config.runnerType}: ${probe.message}`
      throw new AppError('RUNNER_UNAVAILABLE', `runner_type ${config.runnerType}: ${probe.message}`)
    },
  },
  {
    name: 'provider_access',
    fix: "Give the service a provider's key in its environment, or log in with the program as its user (home: user).",
    applies: hasAdapter,
    look: providerAccess,
  },
  {
    name: 'permission_mode',
    fix: 'Name a permission_mode that the runner offers.',
    applies: hasAdapter,
    look: ({ config }, { registry }) => {
      const { permissionModes } = registry.adapter(config.runnerType).capabilities
      if (permissionModes.includes(config.permissionMode)) return `${config.permissionMode} is offered`
      throw lacks(
        `permission_mode ${config.permissionMode}: ${config.runnerType} offers ${permissionModes.join(', ')}.`,
      )
    },
  },
  ...heldTo,
  {
    name: 'tools',
    fix: 'Mend or leave out these names.',
    applies: (request, deps) => hasAdapter(request, deps) && rulesOf(request.config).length > 0,
    look: ({ config }, { registry }) => {
      const adapter = registry.adapter(config.runnerType)
      const unknown = adapter.unknownTools?.(rulesOf(config)) ?? []
      if (unknown.length === 0) return 'every tool is known'
      throw lacks(`tools: ${adapter.type} knows no ${unknown.join(', ')}.`)
    },
  },
  {
    name: 'containment',
    fix: 'Install bubblewrap on the machine of this service, or say containment preferred.',
    look: ({ config }, { containment }) => {
      if (config.containment === 'preferred' || containment === 'full')
        return `agents are contained: ${containment}`
      throw lacks('containment required: install bubblewrap, or say containment preferred.')
    },
  },
  {
    name: 'network',
    fix: 'Say network allow, or take a runner that works without network in a contained sandbox.',
    applies: hasAdapter,
    look: ({ config }, { registry, containment }) => {
      const { networkDeny } = registry.adapter(config.runnerType).capabilities
      if (config.network === 'allow' || (networkDeny && containment === 'full')) return config.network
      throw lacks(`network deny: ${config.runnerType} cannot be cut off here; say network allow.`)
    },
  },
  {
    name: 'sandbox_service',
    fix: 'Start the sandbox service, or mend WORKSPACE_SANDBOX_URL.',
    applies: isSandboxed,
    look: async (_, { sandbox }) => {
      const health = await sandbox.health()
      if (health.ok) return health.message
      throw new AppError('SANDBOX_UNAVAILABLE', health.message)
    },
  },
  {
    name: 'git_layout',
    fix: "Use the repository's main folder, or the embedded sandbox.",
    applies: isSandboxed,
    look: async ({ projectRoot }, { sandboxHidesGit }) => {
      if (sandboxHidesGit || !(await sharesGitMetadata(projectRoot))) return 'git metadata stays apart'
      throw new AppError(
        'SANDBOX_GIT_LAYOUT',
        `project_root ${projectRoot} keeps its git metadata outside itself (worktree, submodule or sub-folder), which this sandbox service would share with the agent: use the repository's main folder, or the embedded sandbox.`,
      )
    },
  },
]

const rulesOf = (config: RunConfig): readonly string[] => [...config.allowedTools, ...config.deniedTools]

/** A key by name, or what a login leaves in a home. Whether the provider takes it only the agent finds out. */
async function providerAccess({ config }: AdmissionRequest, deps: AdmissionDeps): Promise<string> {
  const { registry, environment } = deps
  const type = config.runnerType
  if (registry.hasProviderAccess(type)) return `a key or an endpoint for ${type} is set`
  const named = config.env.filter((name) => environment[name])
  if (named.length > 0) return `no key that ${type} is known to use is set; ${named.join(', ')} may be one`
  if (config.home === 'user' && (await wasUsed(registry.adapter(type), environment['HOME'])))
    return `no key for ${type} is set; the login in the operator's home is used`
  const adapter = registry.adapter(type)
  const place = config.home === 'user' ? "the operator's home has never seen it" : 'home is isolated'
  throw new AppError(
    'RUNNER_UNAVAILABLE',
    `runner_type ${type}: no key or endpoint is set for it and ${place}, so it cannot reach a model: set one of ${adapter.environment.slice(0, 4).join(', ')}, … in the environment of this service, or log in with it there.`,
  )
}

/** Whether the program, or its user, ever wrote something there: settings may hold a key as well as a login. */
async function wasUsed(adapter: RunnerAdapter, home: string | undefined): Promise<boolean> {
  if (home === undefined) return false
  for (const name of [...adapter.homeFolders, ...adapter.homeReadable]) {
    const path = join(home, name)
    const found = await lstat(path).catch(() => null) // absent
    if (found && !found.isDirectory()) return true
    if (found && (await readdir(path).catch(() => ['unreadable'])).length > 0) return true
  }
  return false
}

/** `.git` is a file (worktree, submodule), or lies in a folder above. */
async function sharesGitMetadata(projectRoot: string): Promise<boolean> {
  for (let folder = projectRoot; ; folder = dirname(folder)) {
    const found = await lstat(join(folder, '.git')).catch(() => null) // absent: look one folder higher
    if (found) return folder !== projectRoot || !found.isDirectory()
    if (dirname(folder) === folder) return false
  }
}

const lacks = (detail: string): AppError => new AppError('RUNNER_CAPABILITY', detail)
