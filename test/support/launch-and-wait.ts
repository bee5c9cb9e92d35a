/** A program for tests: launches descendants of all kinds, says so, and waits to be killed. */
import process from 'node:process'
import { createBubblewrapLauncher } from '../../adapters/launchers/bubblewrap.ts'
import { createUnshareLauncher } from '../../adapters/launchers/unshare.ts'

const [kind, folder, mark] = process.argv.slice(2)
const launcher =
  kind === 'bubblewrap'
    ? createBubblewrapLauncher({ bwrap: '/usr/bin/bwrap', unshare: null })
    : createUnshareLauncher({ unshare: '/usr/bin/unshare', setpriv: '/usr/bin/setpriv' })
const launched = await launcher.launch({
  argv: ['sh', '-c', 'setsid sleep 300 & (sleep 300 &) ; nohup sleep 300 >/dev/null & echo up; sleep 300'],
  env: { PATH: '/usr/bin:/bin', AGENT_MANAGER_RUN: mark! },
  cwd: folder!,
  writable: [folder!],
  readable: [],
  hidden: [],
  network: 'allow',
})
launched.stdout.pipe(process.stdout)
