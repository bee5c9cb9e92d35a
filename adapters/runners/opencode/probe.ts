/** Looks at the installed opencode: is it there, and is it a version that this adapter was tested with? */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../../../internal/errors.ts'
import { withDeadline } from '../../../internal/process/deadline.ts'
import { keepTail } from '../../../internal/process/tail.ts'
import type { RunnerProbe } from '../../../internal/runner/port.ts'
import { findOpencode } from './find.ts'

const PROBE_TIMEOUT_MS = 9_000
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
    const version = await readVersion(program.file, options.path)
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

/** The program makes folders in its home even for this, so it gets one to throw away. */
async function readVersion(file: string, path: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'agent-manager-opencode-'))
  try {
    const child = spawn(file, ['--version'], {
      env: { PATH: path, HOME: home },
      cwd: home,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = keepTail(child.stdout, 1_000)
    const complained = keepTail(child.stderr, 1_000)
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    try {
      const code = await withDeadline(ended, PROBE_TIMEOUT_MS, 'opencode --version')
      const version = (said() ?? '').trim()
      if (code !== 0 || version === '') throw new Error(`exit ${code}: ${(complained() ?? '').trim()}`)
      return version
    } finally {
      child.kill('SIGKILL')
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
