/** The settings in this shell's environment, read as the service would read them. */
import { type Config, ConfigError, type Environment, readConfig } from '../../../internal/config.ts'
import { AppError } from '../../../internal/errors.ts'
import { resolveScope } from '../../../internal/project-root.ts'
import { type Finding, fail, ok } from './finding.ts'

export function lookAtSettings(env: Environment): { config: Config | null; findings: Finding[] } {
  try {
    return {
      config: readConfig(env),
      findings: [ok('settings', 'every AGENT_MANAGER_… variable is understood')],
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const fix = 'Mend or unset it; the table under "Configuration" in README.md lists them all.'
    return { config: null, findings: error.faults.map((fault) => fail('settings', fault, fix)) }
  }
}

export async function lookAtProject(folder: string, config: Config | null): Promise<Finding> {
  const roots = config?.levers.SAFETY_PROJECT_ROOTS ?? []
  try {
    const { projectRoot } = await resolveScope({ projectRoot: folder, scopePath: '.' }, roots)
    return ok('project', `${projectRoot} may be worked on`)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const fix = `Name another project (--project), or start the service with ${folder} in AGENT_MANAGER_SAFETY_PROJECT_ROOTS.`
    return fail('project', error.message, fix)
  }
}
