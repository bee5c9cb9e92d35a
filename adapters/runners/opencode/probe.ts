/** Looks at the installed opencode: is it there, and is it a version that this adapter was tested with? */
import { messageOf } from '../../../internal/errors.ts'
import { askVersion } from '../../../internal/runner/cli-program.ts'
import type { RunnerProbe } from '../../../internal/runner/port.ts'
import { findOpencode } from './find.ts'

const SUPPORTED = '1.18.x'
const isSupported = (version: string): boolean => /^1\.18\.\d+$/.test(version)

/** At most 10 s, never throws. */
export async function probeOpencode(options: { command: string; path: string }): Promise<RunnerProbe> {
  const missing = (message: string): RunnerProbe => ({
    available: false,
    version: null,
    versionSupported: false,
    message,
  })
  try {
    const program = findOpencode(options)
    if (program === null)
      return missing(
        `opencode was not found as ${options.command}: install it (npm install -g opencode-ai@1.18) or set AGENT_MANAGER_RUNNERS_OPENCODE_PATH to the program`,
      )
    const version = await askVersion(program.file, options.path)
    const versionSupported = isSupported(version)
    return {
      available: true,
      version,
      versionSupported,
      message: versionSupported
        ? `opencode ${version}`
        : `opencode ${version} is not tested with this adapter: it wants ${SUPPORTED}`,
    }
  } catch (error) {
    return missing(`opencode was found as ${options.command} but does not run: ${messageOf(error)}`)
  }
}
