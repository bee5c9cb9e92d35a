/** Looks at the installed claude-code: is it there, and is it a version that this adapter was tested with? */
import { messageOf } from '../../../internal/errors.ts'
import { askVersion } from '../../../internal/runner/cli-program.ts'
import type { RunnerProbe } from '../../../internal/runner/port.ts'
import { findClaude } from './find.ts'

const FIRST_PATCH = 300
const SUPPORTED = `2.1.${FIRST_PATCH} or later 2.1.x`

/** The wire of the CLI is not documented: a new minor version may speak another. */
export function isSupported(version: string): boolean {
  const patch = /^2\.1\.(\d+)$/.exec(version)?.[1]
  return patch !== undefined && Number(patch) >= FIRST_PATCH
}

/** At most 10 s, never throws. */
export async function probeClaude(options: { command: string; path: string }): Promise<RunnerProbe> {
  const missing = (message: string): RunnerProbe => ({
    available: false,
    version: null,
    versionSupported: false,
    message,
  })
  try {
    const program = findClaude(options)
    if (program === null)
      return missing(
        `claude-code was not found as ${options.command}: install it (npm install -g @anthropic-ai/claude-code) or set AGENT_MANAGER_RUNNERS_CLAUDE_CODE_PATH to the program`,
      )
    const said = await askVersion(program.file, options.path)
    const version = /^\S+/.exec(said)?.[0] ?? said
    const versionSupported = isSupported(version)
    return {
      available: true,
      version,
      versionSupported,
      message: versionSupported
        ? `claude-code ${version}`
        : `claude-code ${version} is not tested with this adapter: it wants ${SUPPORTED}`,
    }
  } catch (error) {
    return missing(`claude-code was found as ${options.command} but does not run: ${messageOf(error)}`)
  }
}
