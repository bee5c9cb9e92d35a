/** What the agent changed, as it is kept when a turn ends: the diff a person reviews. */
import { v7 as uuid } from 'uuid'
import { insertApproval, insertDiff } from '../approval/approval-store.ts'
import { commitMessage } from '../approval/commit-message.ts'
import { summarise } from '../approval/diff-capture.ts'
import type { Db } from '../db/tables.ts'
import { messageOf } from '../errors.ts'
import type { Redactor } from '../event/redactor.ts'
import { storableText } from '../event/storable.ts'
import type { DiffSummary } from '../run/run.ts'
import type { ClaimedRow } from '../run/run-queue.ts'
import type { SandboxDiff, SandboxService } from '../sandbox/port.ts'
import type { SnapshotFile } from '../snapshot/snapshot.ts'
import { insertSnapshot } from '../snapshot/snapshot-store.ts'
import type { RunWriter } from './run-writer.ts'
import { captureSnapshot } from './snapshots.ts'
import type { Workspace } from './workspace.ts'

export interface CapturedDiff {
  readonly diff: SandboxDiff
  readonly summary: DiffSummary
  /** Null: the files could not be kept. */
  readonly snapshot: readonly SnapshotFile[] | null
}

/**
 * Null without a sandbox. A turn that failed keeps what it did where it can.
 * @throws when the diff of a good turn cannot be read: that is a failure
 */
export async function captureDiff(
  deps: { readonly diff: SandboxService['diff']; readonly writer: RunWriter },
  workspace: Workspace,
  isGood: boolean,
): Promise<CapturedDiff | null> {
  if (workspace.sandbox === null) return null
  try {
    const diff = await deps.diff(workspace.sandbox.id)
    const snapshot = await captureSnapshot(deps.writer, workspace.root, diff)
    return { diff, summary: summarise(diff), snapshot }
  } catch (error) {
    if (isGood) throw error
    await deps.writer.write({
      payload: { log: { level: 'warn', message: `the diff could not be read: ${messageOf(error)}` } },
      synthetic: true,
    })
    return null
  }
}

type Row = Pick<ClaimedRow, 'id' | 'turn' | 'task_id'>

export async function keepDiff(tx: Db, row: Row, captured: CapturedDiff): Promise<void> {
  await insertDiff(tx, {
    runId: row.id,
    turn: row.turn,
    digest: captured.summary.digest,
    content: captured.diff.text,
    files: captured.diff.files,
  })
  if (captured.snapshot) await insertSnapshot(tx, row.id, row.turn, captured.snapshot)
}

/** The approval of a run whose profile requires none: carried out like any other. */
export async function intendLanding(
  tx: Db,
  deps: { readonly redactor: Redactor; readonly replicaId: string },
  row: Row & { readonly title: string },
  captured: CapturedDiff,
): Promise<void> {
  const message = commitMessage({
    message: null,
    taskTitle: row.title,
    runId: row.id,
    taskId: row.task_id,
    approver: 'agent-manager',
  })
  await insertApproval(tx, {
    id: uuid(),
    runId: row.id,
    turn: row.turn,
    digest: captured.summary.digest,
    actor: 'agent-manager',
    automatic: true,
    createCommit: null,
    commitMessage: storableText(message, deps.redactor),
    replicaId: deps.replicaId,
  })
}
