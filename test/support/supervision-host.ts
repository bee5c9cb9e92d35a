/** Stands in for the service: launches the leaving agent under the launcher of its first argument, and waits to be killed. */
import { dirname } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { createBubblewrapLauncher } from '../../adapters/launchers/bubblewrap.ts'
import { trial } from '../../adapters/launchers/detect.ts'
import { createPlainLauncher } from '../../adapters/launchers/plain.ts'
import { createUnshareLauncher } from '../../adapters/launchers/unshare.ts'
import type { LaunchedProcess, Launcher } from '../../internal/launcher/port.ts'
import { findProgram } from '../../internal/process/find-program.ts'
import { LEAVING_AGENT } from './leaving-agent.ts'
import { MARKER } from './marked-processes.ts'

export const SUPERVISION_HOST = fileURLToPath(import.meta.url)
const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'
const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))

/** The launchers that work here, by name; what does not is said on stderr. */
export async function usableLaunchers(): Promise<ReadonlyMap<string, Launcher>> {
  const bwrap = findProgram('bwrap', PATH)
  const [unshare, setpriv] = [findProgram('unshare', PATH), findProgram('setpriv', PATH)]
  const candidates: [string, Launcher | null][] = [
    ['bubblewrap', bwrap === null ? null : createBubblewrapLauncher({ bwrap, unshare })],
    ['unshare', unshare === null || setpriv === null ? null : createUnshareLauncher({ unshare, setpriv })],
    ['plain', createPlainLauncher()],
  ]
  const usable = new Map<string, Launcher>()
  for (const [name, launcher] of candidates) {
    const fault = launcher === null ? 'not installed' : await trial(launcher)
    if (fault === null && launcher !== null) usable.set(name, launcher)
    else process.stderr.write(`supervision: ${name} cannot be tested here: ${fault}\n`)
  }
  return usable
}

/** Launches the leaving agent with its arguments; it says `up` on its stdout when all are left. */
export const launchLeaving = (
  launcher: Launcher,
  request: { readonly folder: string; readonly mark: string; readonly args: readonly string[] },
): Promise<LaunchedProcess> =>
  launcher.launch({
    argv: [process.execPath, LEAVING_AGENT, ...request.args],
    env: { PATH, [MARKER]: request.mark },
    cwd: request.folder,
    writable: [request.folder],
    readable: [dirname(process.execPath), CHECKOUT], // they may lie in folders that the container empties
    hidden: [],
    network: 'allow',
  })

async function main(): Promise<void> {
  const [name = '', folder = '', mark = '', ...args] = process.argv.slice(2)
  const launcher = (await usableLaunchers()).get(name)
  if (launcher === undefined) throw new Error(`no launcher ${name} here`)
  const agent = await launchLeaving(launcher, { folder, mark, args })
  agent.stdout.pipe(process.stdout)
}

if (import.meta.main) await main()
