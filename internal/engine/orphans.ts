/** Agents that outlived their replica: only a launcher without containment lets that happen. */
import type { Logger } from '../log.ts'
import { endProcesses } from '../process/end-processes.ts'
import { environmentOf, listProcesses } from '../process/proc.ts'

const MARKER = 'AGENT_MANAGER_RUN'

/**
 * Ends what carries the marker of this installation and of a replica that is proven dead, and nothing else: a
 * neighbour's agents, or those of another installation, are not ours to touch.
 */
export async function endOrphans(
  installationId: string,
  deadReplicas: readonly string[],
  log: Logger,
): Promise<void> {
  const collect = () =>
    listProcesses().filter(({ pid }) => {
      const [installation, , , replica] = environmentOf(pid, MARKER)?.split(':') ?? []
      return installation === installationId && replica !== undefined && deadReplicas.includes(replica)
    })
  const found = collect().length
  if (found === 0) return
  const left = await endProcesses(collect, 0)
  log.warn({ found, left: left.length }, 'ended agents of dead replicas')
}
