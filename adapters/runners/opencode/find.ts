/** Where the native opencode program lies, by platform. */
import process from 'node:process'
import { type CliProgram, findCli } from '../../../internal/runner/cli-program.ts'

/** The package that runs on every machine of this platform: the x64 builds without `-baseline` need AVX2. */
export const nativePackages = (platform: string, arch: string): string[] => {
  const name = `opencode-${platform}-${arch}`
  return arch === 'x64' ? [`${name}-baseline`, name] : [name]
}

/** The program's places below a node_modules, best first. */
export const nativePrograms = (): string[] =>
  nativePackages(process.platform, process.arch).map((name) => `${name}/bin/opencode`)

/**
 * The program itself behind a command.
 * @param options.command a name or an absolute path
 * @param options.path colon list of folders to search
 * @returns null when there is no such command
 */
export const findOpencode = (options: {
  readonly command: string
  readonly path: string
}): CliProgram | null => findCli({ ...options, programs: nativePrograms() })
