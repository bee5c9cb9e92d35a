/** Rules about where a run works and what it takes along: the mode, the data folder, names of variables. */
import { AppError } from '../errors.ts'
import type { AdmissionDeps, AdmissionRequest, Rule } from './admission-rule.ts'
import type { RunConfig } from './run.ts'
import { isWithheld } from './withheld-env.ts'

export const PLACE_RULES: readonly Rule[] = [
  {
    name: 'run_mode',
    fix: 'Leave run_mode out, or have the operator set AGENT_MANAGER_SAFETY_ALLOW_IN_PLACE_OVERRIDE.',
    look: ({ mode }, { allowInPlace }) => {
      if (mode === 'sandboxed' || allowInPlace) return `${mode} is allowed here`
      throw new AppError(
        'POLICY_SANDBOX_REQUIRED',
        'run_mode in_place is switched off here (AGENT_MANAGER_SAFETY_ALLOW_IN_PLACE_OVERRIDE): leave it out.',
      )
    },
  },
  {
    name: 'data_folder',
    fix: 'Name another project, or set AGENT_MANAGER_DATA_DIR outside of this one.',
    look: refuseOverlap,
  },
  {
    name: 'env',
    fix: 'Take the name out of env.',
    look: ({ config }, deps) => passedOn('env', config.env, deps),
  },
  {
    name: 'mcp_servers_env',
    fix: 'Take the name out of the MCP server.',
    applies: ({ config }) => config.mcpServers.length > 0,
    look: ({ config }, deps) => passedOn('mcp_servers', config.mcpServers.flatMap(namesOf), deps),
  },
]

/** An agent must not reach the database and the sandboxes of others through its project. */
function refuseOverlap({ projectRoot }: AdmissionRequest, { dataDir }: AdmissionDeps): string {
  const holds = `${dataDir}/`.startsWith(`${projectRoot}/`) || `${projectRoot}/`.startsWith(`${dataDir}/`)
  if (!holds) return "project_root lies apart from the service's own folder"
  const message = `project_root ${projectRoot} and the data folder of this service overlap: set AGENT_MANAGER_DATA_DIR outside of it, or name another project.`
  throw new AppError('VALIDATION_PROJECT_ROOT', message, {
    faults: [{ field: 'project_root', rule: 'path', message }],
  })
}

/** A name that would be left out in silence is refused in words; one that is not set is only told. */
function passedOn(
  field: 'env' | 'mcp_servers',
  names: readonly string[],
  { environment }: AdmissionDeps,
): string {
  const withheld = names.find(isWithheld)
  if (withheld !== undefined) {
    const message = `${field}: ${withheld} is never passed to an agent (the service's own settings and what changes how programs load): take it out.`
    throw new AppError('VALIDATION_FIELD', message, { faults: [{ field, rule: 'withheld', message }] })
  }
  const unset = names.filter((name) => !environment[name])
  if (unset.length > 0) return `not set in the environment of this service: ${unset.join(', ')}`
  return names.length === 0 ? 'nothing is passed on by name' : `passed on: ${names.join(', ')}`
}

const namesOf = (server: RunConfig['mcpServers'][number]): readonly string[] =>
  'url' in server ? Object.values(server.headersEnv) : server.env
