/** Agents that outlived their replica: only a launcher without containment lets that happen. */
import type { Logger } from '../log.ts'
import { endProcesses } from '../process/end-processes.ts'
import { createFamily } from '../process/family.ts'
import { environmentOf } from '../process/proc.ts'

const MARKER = 'AGENT_MANAGER_RUN'

/**
 * Ends what carries the marker of this installation and of a replica that is proven dead (boot id, pid, start time),
 * what can be traced to it by parent, session or group, and nothing else: a neighbour's agents, or those of another
 * installation, are not ours to touch.
 */
export async function endOrphans(
  installationId: string,
  deadReplicas: readonly string[],
  log: Logger,
): Promise<void> {
  const family = createFamily(({ pid }) => {
    const [installation, , , replica] = environmentOf(pid, MARKER)?.split(':') ?? []
    return installation === installationId && replica !== undefined && deadReplicas.includes(replica)
  })
  const found = family.find().length
  if (found === 0) return
  const left = await endProcesses(family.find, 0)
  log.warn({ found, left: left.length }, 'ended agents of dead replicas')
}
