/** What is checked before a run exists. Everything later fails the run instead of the request. */
import { lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AppError } from '../errors.ts'
import type { Containment } from '../launcher/port.ts'
import type { RunnerAdapter } from '../runner/port.ts'
import type { RunnerRegistry } from '../runner/registry.ts'
import type { SandboxService } from '../sandbox/port.ts'
import type { RunConfig, RunMode } from './run.ts'
import { isWithheld } from './withheld-env.ts'

export interface AdmissionDeps {
  /** Absolute; where the service keeps its own. */
  readonly dataDir: string
  readonly registry: RunnerRegistry
  readonly sandbox: SandboxService
  readonly containment: Containment
  readonly allowInPlace: boolean
  /** False: the sandbox service mounts a project's git metadata as it is, so some layouts are unsafe. */
  readonly sandboxHidesGit: boolean
}

/** @throws the first thing that is in the way; nothing was created */
export async function admit(
  request: { readonly config: RunConfig; readonly mode: RunMode; readonly projectRoot: string },
  deps: AdmissionDeps,
): Promise<void> {
  if (request.mode === 'in_place' && !deps.allowInPlace) {
    throw new AppError(
      'POLICY_SANDBOX_REQUIRED',
      'run_mode in_place is switched off here (AGENT_MANAGER_SAFETY_ALLOW_IN_PLACE_OVERRIDE): leave it out.',
    )
  }
  refuseOverlap(request.projectRoot, deps.dataDir)
  const { env, mcpServers } = request.config
  refuseWithheld('env', env)
  refuseWithheld('mcp_servers', mcpServers.flatMap(namesOf))
  // Both are asked at once; of two things in the way the runner is told first.
  const sandbox = request.mode === 'sandboxed' ? admitSandbox(request.projectRoot, deps) : null
  const [runner, service] = await Promise.allSettled([admitRunner(request.config, deps), sandbox])
  if (runner.status === 'rejected') throw runner.reason
  if (service.status === 'rejected') throw service.reason
}

/** An agent must not reach the database and the sandboxes of others through its project. */
function refuseOverlap(projectRoot: string, dataDir: string): void {
  const holds = `${dataDir}/`.startsWith(`${projectRoot}/`) || `${projectRoot}/`.startsWith(`${dataDir}/`)
  if (!holds) return
  const message = `project_root ${projectRoot} and the data folder of this service overlap: set AGENT_MANAGER_DATA_DIR outside of it, or name another project.`
  throw new AppError('VALIDATION_PROJECT_ROOT', message, {
    faults: [{ field: 'project_root', rule: 'path', message }],
  })
}

/** A name that would be left out in silence is refused in words. */
function refuseWithheld(field: 'env' | 'mcp_servers', names: readonly string[]): void {
  const name = names.find(isWithheld)
  if (name === undefined) return
  const message = `${field}: ${name} is never passed to an agent (the service's own settings and what changes how programs load): take it out.`
  throw new AppError('VALIDATION_FIELD', message, { faults: [{ field, rule: 'withheld', message }] })
}

const namesOf = (server: RunConfig['mcpServers'][number]): readonly string[] =>
  'url' in server ? Object.values(server.headersEnv) : server.env

async function admitRunner(config: RunConfig, deps: AdmissionDeps): Promise<void> {
  const { capabilities } = deps.registry.adapter(config.runnerType)
  const probe = await deps.registry.probe(config.runnerType)
  if (!probe.available || !probe.versionSupported) {
    throw new AppError('RUNNER_UNAVAILABLE', `runner_type ${config.runnerType}: ${probe.message}`)
  }
  if (!capabilities.permissionModes.includes(config.permissionMode)) {
    throw lacks(
      `permission_mode ${config.permissionMode}: ${config.runnerType} offers ${capabilities.permissionModes.join(', ')}.`,
    )
  }
  admitRules(config, deps.registry.adapter(config.runnerType))
  if (config.containment === 'required' && deps.containment !== 'full') {
    throw lacks('containment required: install bubblewrap, or say containment preferred.')
  }
  if (config.network === 'deny' && (!capabilities.networkDeny || deps.containment !== 'full')) {
    throw lacks(`network deny: ${config.runnerType} cannot be cut off here; say network allow.`)
  }
}

/** A rule that nobody applies would only look like protection. */
function admitRules(config: RunConfig, adapter: RunnerAdapter): void {
  const { capabilities, type } = adapter
  const refused = [
    config.allowedTools.length > 0 && !capabilities.toolAllow && 'allowed_tools',
    config.deniedTools.length > 0 && !capabilities.toolDeny && 'denied_tools',
    // Paths are judged when the agent asks to write: it has to ask.
    config.allowedPaths.length > 0 && !capabilities.toolDeny && 'allowed_paths',
    config.deniedPaths.length > 0 && !capabilities.toolDeny && 'denied_paths',
    config.mcpServers.length > 0 && !capabilities.mcp && 'mcp_servers',
    config.trustProject && !capabilities.mcp && 'trust_project',
  ].find((field) => field !== false)
  if (refused !== undefined) throw lacks(`${refused}: ${type} cannot be held to it; leave it out.`)
  const rules = [...config.allowedTools, ...config.deniedTools]
  const unknown = adapter.unknownTools?.(rules) ?? []
  if (unknown.length > 0) throw lacks(`tools: ${type} knows no ${unknown.join(', ')}.`)
}

async function admitSandbox(projectRoot: string, deps: AdmissionDeps): Promise<void> {
  const health = await deps.sandbox.health()
  if (!health.ok) throw new AppError('SANDBOX_UNAVAILABLE', health.message)
  if (deps.sandboxHidesGit || !(await sharesGitMetadata(projectRoot))) return
  throw new AppError(
    'SANDBOX_GIT_LAYOUT',
    `project_root ${projectRoot} keeps its git metadata outside itself (worktree, submodule or sub-folder), which this sandbox service would share with the agent: use the repository's main folder, or the embedded sandbox.`,
  )
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
