/** Chooses the strongest launcher that really works here: each is tried with a program that does nothing. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../../internal/errors.ts'
import type { Launcher } from '../../internal/launcher/port.ts'
import { settlesWithin } from '../../internal/process/deadline.ts'
import { findProgram } from '../../internal/process/find-program.ts'
import { keepTail } from '../../internal/process/tail.ts'
import { createBubblewrapLauncher } from './bubblewrap.ts'
import { createPlainLauncher } from './plain.ts'
import { createUnshareLauncher } from './unshare.ts'

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin'
const PROBE_TIMEOUT_MS = 5_000

export interface DetectOptions {
  readonly log?: { info(fields: object, message: string): void }
  /** Where bwrap, unshare and setpriv are looked for; the system's folders by default. */
  readonly path?: string
}

/** The strongest launcher that passes its trial. Never rejects: the plain one needs no trial. */
export async function detectLauncher(options: DetectOptions = {}): Promise<Launcher> {
  const path = options.path ?? SYSTEM_PATH
  for (const candidate of [...bubblewrap(path), unshare(path)]) {
    const fault = candidate.launcher === null ? 'not installed' : await trial(candidate.launcher, path)
    if (fault === null && candidate.launcher !== null) return candidate.launcher
    options.log?.info({ launcher: candidate.name, reason: fault }, 'launcher not usable')
  }
  return createPlainLauncher()
}

interface Candidate {
  readonly name: string
  readonly launcher: Launcher | null
}

/** Without unshare it still contains fully but for later mounts; some machines let only bwrap make namespaces. */
function bubblewrap(path: string): Candidate[] {
  const [bwrap, tool] = [findProgram('bwrap', path), findProgram('unshare', path)]
  if (bwrap === null) return [{ name: 'bubblewrap', launcher: null }]
  return [
    {
      name: 'bubblewrap, cut off from later mounts',
      launcher: tool === null ? null : createBubblewrapLauncher({ bwrap, unshare: tool }),
    },
    { name: 'bubblewrap', launcher: createBubblewrapLauncher({ bwrap, unshare: null }) },
  ]
}

function unshare(path: string): Candidate {
  const [tool, setpriv] = [findProgram('unshare', path), findProgram('setpriv', path)]
  const launcher =
    tool === null || setpriv === null ? null : createUnshareLauncher({ unshare: tool, setpriv })
  return { name: 'unshare', launcher }
}

/** Why the launcher does not work here; null when it does. */
export async function trial(launcher: Launcher, path: string = SYSTEM_PATH): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-manager-probe-'))
  try {
    const probe = await launcher.launch({
      argv: ['true'],
      env: { PATH: path, AGENT_MANAGER_RUN: `probe:${folder}` },
      cwd: folder,
      writable: [folder],
      readable: [],
      hidden: [],
      network: 'allow',
    })
    probe.stdout.resume()
    const said = keepTail(probe.stderr, 500)
    const ended = await settlesWithin(probe.exited, PROBE_TIMEOUT_MS)
    const status = await probe.stop(0)
    if (!ended) return `no answer within ${PROBE_TIMEOUT_MS} ms`
    return status.code === 0 ? null : (said() ?? `exit ${status.code ?? status.signal}`).trim()
  } catch (error) {
    return messageOf(error)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
