/** Runs one of the system's own tools, without a shell and with an environment built from nothing. */
import { spawn } from 'node:child_process'

const TIMEOUT_MS = 20_000
const MAX_STDERR_BYTES = 4096

/** @param path value of PATH for the tool  @returns null when it went well, else what went wrong */
export function runTool(
  path: string,
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { PATH: path, LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-MAX_STDERR_BYTES)
    })
    child.on('error', (error) => resolve(`${command} could not be started: ${error.message}`))
    child.on('close', (code, signal) => {
      resolve(code === 0 ? null : stderr.trim() || `${command} ended with ${code ?? signal}`)
    })
  })
}
