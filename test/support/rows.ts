/** Rows that tests of the SQL start from. */
import type { Insertable } from 'kysely'
import { type RawBuilder, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Db, RunsTable } from '../../internal/db/tables.ts'
import { failureOf } from '../../internal/engine/turn-end.ts'
import { resolveConfig } from '../../internal/run/resolve-config.ts'
import { isDriven, isFinal } from '../../internal/run/run.ts'

export async function insertReplica(db: Db): Promise<string> {
  const id = uuid()
  await db
    .insertInto('replicas')
    .values({ id, host: 'test', boot_id: 'test', pid: 1, pid_started: '1' })
    .execute()
  return id
}

export async function insertTaskRow(db: Db, projectRoot = '/nowhere'): Promise<string> {
  const id = uuid()
  await db
    .insertInto('tasks')
    .values({
      id,
      title: 'a task',
      description: 'do it',
      scope_path: '',
      project_root: projectRoot,
      context_attachments: '[]',
      created_by: null,
    })
    .execute()
  return id
}

/** Columns as given; the lease's end also as SQL says it. */
type RunRow = Omit<Insertable<RunsTable>, 'lease_expires_at'> & { lease_expires_at: RawBuilder<Date> }

/** A run in any status, with the columns that the status demands. */
export async function insertRunRow(db: Db, given: Partial<RunRow> = {}): Promise<string> {
  const id = uuid()
  const status = given.status ?? 'pending'
  const levers = { maxTurns: 10, timeoutMs: 60_000, requiresSandbox: true, requiresApproval: true }
  const { config, sources } = resolveConfig({ runnerType: 'opencode' }, {}, levers, {
    mode: null,
    hasProviderAccess: () => true,
  })
  const leaseOwner = given.lease_owner ?? (isDriven(status) ? await insertReplica(db) : null)
  await db
    .insertInto('runs')
    .values({
      id,
      task_id: given.task_id ?? (await insertTaskRow(db)),
      tag: id,
      mode: 'sandboxed',
      phase: 'queued',
      config: JSON.stringify(config),
      config_sources: JSON.stringify(sources),
      request_digest: 'x',
      ...(isDriven(status) && { lease_expires_at: sql<Date>`now() + interval '1 minute'` }),
      ...(isFinal(status) && { ended_at: sql<Date>`now()` }),
      ...(status === 'failed' && { failure: JSON.stringify(failureOf('internal', 'of a test')) }),
      ...given,
      status,
      lease_owner: leaseOwner,
    })
    .execute()
  return id
}
