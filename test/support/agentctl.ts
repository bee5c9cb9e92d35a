/** Runs the real agentctl as a process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export const AGENTCTL = fileURLToPath(new URL('../../cmd/agentctl/agentctl', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  stdout(): string
  readonly ended: Promise<Ended>
}

const MAIN = fileURLToPath(new URL('../../cmd/agentctl/main.ts', import.meta.url))

/**
 * @param env is all it gets, besides PATH and HOME
 * @param by the command as people call it, or node itself: the command needs a PATH with the system's programs
 */
export function startAgentctl(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
  by: 'command' | 'node' = 'command',
): Running {
  const whole = { PATH: process.env['PATH'], HOME: '/nonexistent', USER: 'ada', ...env }
  const argv = by === 'command' ? [AGENTCTL, ...args] : [process.execPath, MAIN, ...args]
  const child = spawn(argv[0] ?? '', argv.slice(1), { env: whole, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = once(child, 'close').then(([code]) => ({ code, stdout, stderr }))
  return { child, stdout: () => stdout, ended }
}

export const agentctl = (
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<Ended> => startAgentctl(args, env).ended
