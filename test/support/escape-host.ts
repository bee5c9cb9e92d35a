/**
 * Runs a shell script as a hostile agent under bubblewrap and prints what it said. Arguments: the folder it may
 * write, then the script. A program of its own, so that a test which runs as root can be somebody else.
 */
import process from 'node:process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createBubblewrapLauncher } from '../../adapters/launchers/bubblewrap.ts'
import type { LaunchRequest } from '../../internal/launcher/port.ts'
import { findProgram } from '../../internal/process/find-program.ts'

export const ESCAPE_HOST = fileURLToPath(import.meta.url)
const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'

/** What the script says on stdout and stderr, trimmed. */
export async function tryToEscape(
  folder: string,
  script: string,
  more: Partial<LaunchRequest> = {},
): Promise<string> {
  const bwrap = findProgram('bwrap', PATH)
  if (bwrap === null) throw new Error('bubblewrap is not installed')
  const agent = await createBubblewrapLauncher({ bwrap, unshare: findProgram('unshare', PATH) }).launch({
    argv: ['sh', '-c', `{ ${script}\n} 2>&1`],
    env: { PATH },
    cwd: folder,
    writable: [folder],
    readable: [],
    hidden: [],
    network: 'allow',
    ...more,
  })
  agent.stdin.end()
  agent.stderr.pipe(process.stderr)
  const said = await text(agent.stdout)
  await agent.stop(0)
  return said.trim()
}

if (import.meta.main) {
  const [folder = '', script = ''] = process.argv.slice(2)
  process.stdout.write(await tryToEscape(folder, script))
}
