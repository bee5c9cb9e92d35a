/**
 * Process containment without bubblewrap: own PIDs, so that nothing outlives the program or us. Files and
 * network stay those of the machine (but for `network: deny`).
 */
import process from 'node:process'
import type { Launcher, LaunchRequest } from '../../internal/launcher/port.ts'
import { checkRequest, startSupervised } from './supervised.ts'

/**
 * @param tools absolute paths of util-linux's `unshare` and `setpriv`
 */
export function createUnshareLauncher(tools: {
  readonly unshare: string
  readonly setpriv: string
}): Launcher {
  return {
    containment: 'process',
    async launch(request) {
      const program = checkRequest(request)
      const prefix = unsharePrefix(tools, request, process.getuid?.() === 0)
      const [file, ...args] = [...prefix, program, ...request.argv.slice(1)]
      if (file === undefined) throw new Error('the command is empty')
      return startSupervised({ file, args, request, wrapped: true, cwd: request.cwd, handover: null })
    },
  }
}

/**
 * `setpriv --pdeathsig` ties the chain to us; it stands behind the user namespace, which would clear the
 * signal. The inner `unshare --fork` is PID 1, because a program that is PID 1 ignores signals it does not
 * handle. As a user, the rights that the second unshare needs are handed over and then given up.
 */
export function unsharePrefix(
  tools: { readonly unshare: string; readonly setpriv: string },
  request: Pick<LaunchRequest, 'network'>,
  asRoot: boolean,
): string[] {
  const { unshare, setpriv } = tools
  const network = request.network === 'deny' ? ['--net'] : []
  return [
    ...(asRoot ? [] : [unshare, '--user', '--map-current-user', '--keep-caps', '--']),
    ...[setpriv, '--pdeathsig', 'KILL', '--'],
    ...[unshare, '--pid', '--fork', '--kill-child', '--mount-proc', ...network, '--'],
    ...(asRoot ? [] : [setpriv, '--ambient-caps', '-all', '--inh-caps', '-all', '--']),
    ...[unshare, '--fork', '--'],
  ]
}
