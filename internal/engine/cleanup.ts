/** Removes what finished runs leave behind: sandboxes, homes. Idempotent; what fails is tried again. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { SandboxService } from '../sandbox/port.ts'
import { leftSandboxes, markSandboxDeleted } from './run-work-store.ts'

export interface CleanupDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly sandbox: SandboxService
  readonly dataDir: string
}

export async function cleanUp(deps: CleanupDeps): Promise<void> {
  for (const left of await leftSandboxes(deps.db)) {
    try {
      await deps.sandbox.delete(left.sandboxId)
      if (left.isFinal) await rm(join(deps.dataDir, 'runs', left.runId), { recursive: true, force: true })
      await markSandboxDeleted(deps.db, left.runId, left.generation)
      deps.log.info({ run_id: left.runId, generation: left.generation }, 'sandbox removed')
    } catch (error) {
      deps.log.warn({ run_id: left.runId, error: messageOf(error) }, 'sandbox not removed yet')
      if (error instanceof AppError && error.code === 'SANDBOX_UNAVAILABLE') return // the others would fail alike
    }
  }
}

/** At the start: homes whose run has ended and whose cleanup was cut. */
export async function sweepRunFolders(deps: CleanupDeps): Promise<void> {
  const folder = join(deps.dataDir, 'runs')
  const names = await readdir(folder).catch(() => []) // none was made yet
  const ids = names.filter((name) => UUID.test(name))
  if (ids.length === 0) return
  const kept = await deps.db
    .selectFrom('runs')
    .select('id')
    .where('id', 'in', ids)
    .where('ended_at', 'is', null)
    .execute()
  const keep = new Set(kept.map((row) => row.id))
  for (const id of ids) if (!keep.has(id)) await rm(join(folder, id), { recursive: true, force: true })
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
