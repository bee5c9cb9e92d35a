/** Where the native claude program lies, by platform. */
import process from 'node:process'
import { type CliProgram, findCli } from '../../../internal/runner/cli-program.ts'

/** Its place below a node_modules; glibc builds, as everywhere here. */
export const nativePrograms = (): string[] => [
  `@anthropic-ai/claude-code-${process.platform}-${process.arch}/claude`,
]

/**
 * The program itself behind a command.
 * @param options.command a name or an absolute path
 * @param options.path colon list of folders to search
 * @returns null when there is no such command
 */
export const findClaude = (options: { readonly command: string; readonly path: string }): CliProgram | null =>
  findCli({ ...options, programs: nativePrograms() })
