/** Agents that outlived their replica, or are about to: what carries a mark of ours is found in /proc, and ended. */
import type { Logger } from '../log.ts'
import { endProcesses } from '../process/end-processes.ts'
import { createFamily, type Family } from '../process/family.ts'
import { environmentOf } from '../process/proc.ts'

const MARKER = 'AGENT_MANAGER_RUN'

interface Mark {
  readonly installation: string
  readonly runId: string
  readonly attempt: string
  readonly replica: string
}

/** What carries such a mark, what can be traced to it by parent, session or group, and nothing else. */
const marked = (isMeant: (mark: Mark) => boolean): Family =>
  createFamily(({ pid }) => {
    const [installation, runId, attempt, replica] = environmentOf(pid, MARKER)?.split(':') ?? []
    if (installation === undefined || runId === undefined || attempt === undefined || replica === undefined)
      return false
    return isMeant({ installation, runId, attempt, replica })
  })

/**
 * Ends what replicas of this installation left that are proven dead (boot id, pid, start time). Only a launcher
 * without containment lets anything be left. A neighbour's agents, or those of another installation, are not ours to
 * touch.
 */
export async function endOrphans(
  installationId: string,
  deadReplicas: readonly string[],
  log: Logger,
): Promise<void> {
  const family = marked(
    ({ installation, replica }) => installation === installationId && deadReplicas.includes(replica),
  )
  const found = family.find().length
  if (found === 0) return
  const left = await endProcesses(family.find, 0)
  log.warn({ found, left: left.length }, 'ended agents of dead replicas')
}

/**
 * Ends the agent of one attempt whose owner lives on this machine and lost its lease: it is paused, or cannot reach
 * the database. Without this its agent would go on beside the next one.
 * @returns whether nothing of it is left
 */
export async function endAgentOf(
  run: { readonly id: string; readonly attempt: number; readonly owner: string },
  log: Logger,
): Promise<boolean> {
  const family = marked(
    ({ runId, attempt, replica }) =>
      runId === run.id && attempt === String(run.attempt) && replica === run.owner,
  )
  const found = family.find().length
  if (found === 0) return true
  const left = await endProcesses(family.find, 0)
  log.warn(
    { run_id: run.id, attempt: run.attempt, found, left: left.length },
    'ended the agent of a lost lease',
  )
  return left.length === 0
}
