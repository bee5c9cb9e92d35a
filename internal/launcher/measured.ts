/** A launcher whose living processes are counted. */
import type { Metrics } from '../metrics.ts'
import type { Launcher } from './port.ts'

export const measuredLauncher = (launcher: Launcher, metrics: Metrics): Launcher => ({
  containment: launcher.containment,
  launch: async (request) => {
    const launched = await launcher.launch(request)
    metrics.move('agent_processes', 1)
    void launched.exited.then(() => metrics.move('agent_processes', -1))
    return launched
  },
})
