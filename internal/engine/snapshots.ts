/** The files of a turn: kept when it ends, and laid where a run that goes off from it begins. */
import type { Db } from '../db/tables.ts'
import { AppError, messageOf } from '../errors.ts'
import type { NewEvent } from '../event/event.ts'
import type { ClaimedRow } from '../run/run-queue.ts'
import type { Sandbox, SandboxDiff } from '../sandbox/port.ts'
import { readSnapshot, type SnapshotFile, writeSnapshot } from '../snapshot/snapshot.ts'
import { findSnapshot } from '../snapshot/snapshot-store.ts'
import { sandboxOpenedEvents } from './run-changes.ts'
import type { RunWriter } from './run-writer.ts'

/** Null: they cannot be kept, and the log says why. The turn is none the worse for it. */
export async function captureSnapshot(
  writer: RunWriter,
  root: string,
  diff: SandboxDiff,
): Promise<readonly SnapshotFile[] | null> {
  try {
    return await readSnapshot(root, diff.files)
  } catch (error) {
    const message = `no other run can go off from this turn: ${messageOf(error)}`
    await writer.write({ payload: { log: { level: 'warn', message } }, synthetic: true })
    return null
  }
}

type Row = Pick<ClaimedRow, 'fork_of' | 'fork_turn' | 'turn' | 'sandbox_id' | 'sandbox_generation'>

/** What there is to tell of a sandbox that a turn works in; one of a run that goes off from another is laid out first. */
export const openedEvents = async (db: Db, row: Row, sandbox: Sandbox): Promise<NewEvent[]> => [
  ...sandboxOpenedEvents(row, sandbox),
  ...(await layParentFiles(db, row, sandbox)),
]

/**
 * A sandbox that nobody has worked in yet gets the files of the turn that its run goes off from. Cut anywhere, it is
 * done again: the sandbox counts as the run's only after it. @returns what there is to tell
 */
async function layParentFiles(db: Db, row: Row, sandbox: Sandbox): Promise<NewEvent[]> {
  const { fork_of: parent, fork_turn: turn } = row
  // What the run did later, or what became of it, is its own affair.
  if (parent === null || turn === null || row.turn > 1 || row.sandbox_id !== null) return []
  const files = await findSnapshot(db, parent, turn)
  if (files === null) throw new Error(`the files of run ${parent} at the end of turn ${turn} are gone`)
  try {
    await writeSnapshot(sandbox.mergedDir, files)
  } catch (error) {
    const message = `The files of run ${parent} at the end of turn ${turn} cannot be laid: ${messageOf(error)}`
    throw new AppError('SANDBOX_OPERATION', message, { cause: error })
  }
  const detail = `${files.length} files as in run ${parent} at the end of turn ${turn}`
  const { id: sandbox_id, driver } = sandbox
  return [
    {
      payload: {
        sandbox: { action: 'forked', sandbox_id, generation: row.sandbox_generation, driver, detail },
      },
      synthetic: true,
    },
  ]
}
