/**
 * No containment: the program runs in its own process group with our rights. `stop` finds its descendants by
 * parent and by mark. After kill -9 of our process they live on: whoever starts next must look for the mark.
 */
import type { Launcher } from '../../internal/launcher/port.ts'
import { checkRequest, startSupervised } from './supervised.ts'

export function createPlainLauncher(): Launcher {
  return {
    containment: 'none',
    async launch(request) {
      const program = checkRequest(request)
      if (request.network === 'deny') throw new Error('without containment the network cannot be denied')
      return startSupervised({
        file: program,
        args: request.argv.slice(1),
        request,
        wrapped: false,
        cwd: request.cwd,
        handover: null,
      })
    },
  }
}
