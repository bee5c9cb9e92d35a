/** Removes what finished runs leave behind: sandboxes, and later their homes. Idempotent; what fails is tried again. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Kysely, sql } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { SandboxService } from '../sandbox/port.ts'
import { giveSandboxBack, leftSandboxes, takeSandbox, UNFINISHED_KEPT } from './run-work-store.ts'

export interface CleanupDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly sandbox: SandboxService
  readonly dataDir: string
}

export async function cleanUp(deps: CleanupDeps): Promise<void> {
  for (const left of await leftSandboxes(deps.db)) {
    if (!(await deps.db.transaction().execute((tx) => takeSandbox(tx, left)))) continue
    try {
      await deps.sandbox.delete(left.sandboxId)
      deps.log.info({ run_id: left.runId, generation: left.generation }, 'sandbox removed')
    } catch (error) {
      await giveSandboxBack(deps.db, left)
      deps.log.warn({ run_id: left.runId, error: messageOf(error) }, 'sandbox not removed yet')
      if (error instanceof AppError && error.code === 'SANDBOX_UNAVAILABLE') return // the others would fail alike
    }
  }
}

/**
 * Homes of runs that are deleted or long over. Until then a run can be gone on with, and its agent finds its
 * session there.
 */
export async function sweepRunFolders(deps: Pick<CleanupDeps, 'db' | 'dataDir'>): Promise<void> {
  const folder = join(deps.dataDir, 'runs')
  const names = await readdir(folder).catch(() => []) // none was made yet
  const ids = names.filter((name) => UUID.test(name))
  if (ids.length === 0) return
  const kept = await deps.db
    .selectFrom('runs')
    .select('id')
    .where('id', 'in', ids)
    .where('deleted_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb('ended_at', 'is', null),
        eb('ended_at', '>', sql<Date>`now() - ${UNFINISHED_KEPT}::interval`),
      ]),
    )
    .execute()
  const keep = new Set(kept.map((row) => row.id))
  for (const id of ids) if (!keep.has(id)) await rm(join(folder, id), { recursive: true, force: true })
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
