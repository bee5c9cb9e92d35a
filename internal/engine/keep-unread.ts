/**
 * A run that ended without its owner (reaped, or stopped while the sandbox service was away) left changes that
 * nobody has read. They are stored before its sandbox may go: cleanup waits for them.
 */
import type { Kysely } from 'kysely'
import { insertDiff } from '../approval/approval-store.ts'
import { summarise } from '../approval/diff-capture.ts'
import type { Tables } from '../db/tables.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { SandboxService } from '../sandbox/port.ts'
import { diffPatch } from './run-changes.ts'
import { unreadSandboxes } from './run-work-store.ts'

export async function keepUnread(deps: {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly sandbox: SandboxService
}): Promise<void> {
  for (const { runId, turn, sandboxId } of await unreadSandboxes(deps.db)) {
    try {
      const diff = await deps.sandbox.diff(sandboxId)
      const summary = summarise(diff)
      await deps.db.transaction().execute(async (tx) => {
        await insertDiff(tx, { runId, turn, digest: summary.digest, content: diff.text, files: diff.files })
        await tx
          .updateTable('runs')
          .set(diffPatch(summary) ?? {})
          .where('id', '=', runId)
          .where('diff_digest', 'is', null)
          .where('ended_at', 'is not', null)
          .execute()
      })
    } catch (error) {
      deps.log.warn({ run_id: runId, error: messageOf(error) }, 'left changes not read yet')
    }
  }
}
