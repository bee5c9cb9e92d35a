/** All SQL of approvals and of the diffs they are bound to. */
import { type Selectable, sql } from 'kysely'
import type { ApprovalStep, ApprovalsTable, Db, RunDiffsTable } from '../db/tables.ts'
import type { SandboxFile } from '../sandbox/port.ts'
import { SandboxFilesSchema } from '../stored-json.ts'

export type ApprovalRow = Selectable<ApprovalsTable>

const OPEN: readonly ApprovalStep[] = ['intended', 'planned', 'landed', 'committed']
/** Longer than every step of a saga may take together. */
const LEASE_SECONDS = 300

const leaseEnd = sql<Date>`now() + make_interval(secs => ${LEASE_SECONDS})`

export async function hasOpenApproval(db: Db, runId: string): Promise<boolean> {
  const row = await db
    .selectFrom('approvals')
    .select('id')
    .where('run_id', '=', runId)
    .where('state', 'in', [...OPEN])
    .executeTakeFirst()
  return row !== undefined
}

/** The newest approval that went through. */
export async function findDoneApproval(db: Db, runId: string): Promise<ApprovalRow | null> {
  const row = await db
    .selectFrom('approvals')
    .selectAll()
    .where('run_id', '=', runId)
    .where('state', '=', 'done')
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ?? null
}

export interface NewApproval {
  readonly id: string
  readonly runId: string
  readonly turn: number
  readonly digest: string
  readonly actor: string
  readonly automatic: boolean
  readonly createCommit: boolean | null
  readonly commitMessage: string
  readonly replicaId: string
}

/** Writes the intent down. Null: another approval of the run is open. */
export async function insertApproval(tx: Db, approval: NewApproval): Promise<ApprovalRow | null> {
  const row = await tx
    .insertInto('approvals')
    .values({
      id: approval.id,
      run_id: approval.runId,
      turn: approval.turn,
      digest: approval.digest,
      actor: approval.actor,
      automatic: approval.automatic,
      create_commit: approval.createCommit,
      commit_message: approval.commitMessage,
      state: 'intended',
      lease_owner: approval.replicaId,
      lease_expires_at: leaseEnd,
    })
    .onConflict((conflict) =>
      conflict
        .column('run_id')
        .where('state', 'in', [...OPEN])
        .doNothing(),
    )
    .returningAll()
    .executeTakeFirst()
  return row ?? null
}

/** One step of the saga, if it is still ours and where we left it; else null. */
export async function advanceApproval(
  db: Db,
  row: ApprovalRow,
  patch: { state: ApprovalStep; plan?: string | null; commit_hash?: string | null; error?: string | null },
): Promise<ApprovalRow | null> {
  const next = await db
    .updateTable('approvals')
    .set({ ...patch, updated_at: sql<Date>`now()`, lease_expires_at: leaseEnd })
    .where('id', '=', row.id)
    .where('state', '=', row.state)
    .where('lease_owner', '=', row.lease_owner)
    .returningAll()
    .executeTakeFirst()
  return next ?? null
}

/** Lets go of a saga that a neighbour holds up: whoever looks next takes it from where it stands. */
export async function releaseApproval(db: Db, row: ApprovalRow): Promise<void> {
  await db
    .updateTable('approvals')
    .set({ lease_expires_at: sql<Date>`now()` })
    .where('id', '=', row.id)
    .where('lease_owner', '=', row.lease_owner)
    .where('state', 'in', [...OPEN])
    .execute()
}

/**
 * Takes over sagas whose owner is gone, and our own that nobody here carries out: one that could not be let go of,
 * because the database was away. Index approvals_open.
 * @param active ids of those that are carried out here
 */
export function adoptApprovals(db: Db, replicaId: string, active: readonly string[]): Promise<ApprovalRow[]> {
  const stopped = db.selectFrom('replicas').select('id').where('stopped_at', 'is not', null)
  return db
    .updateTable('approvals')
    .set({ lease_owner: replicaId, lease_expires_at: leaseEnd })
    .where('state', 'in', [...OPEN])
    .where((eb) =>
      eb.or([
        eb('lease_expires_at', '<', sql<Date>`now()`),
        eb('lease_owner', '=', replicaId),
        eb('lease_owner', 'in', stopped),
      ]),
    )
    .$if(active.length > 0, (query) => query.where('id', 'not in', [...active]))
    .returningAll()
    .execute()
}

export interface StoredDiff {
  readonly runId: string
  readonly turn: number
  readonly digest: string
  readonly content: string
  readonly files: readonly SandboxFile[]
  readonly createdAt: Date
}

/** Idempotent: the same diff of the same turn is kept once. */
export async function insertDiff(db: Db, diff: Omit<StoredDiff, 'createdAt'>): Promise<void> {
  await db
    .insertInto('run_diffs')
    .values({
      run_id: diff.runId,
      turn: diff.turn,
      digest: diff.digest,
      content: Buffer.from(diff.content),
      files: JSON.stringify(diff.files),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function findDiff(db: Db, runId: string, digest: string): Promise<StoredDiff | null> {
  const row = await db
    .selectFrom('run_diffs')
    .selectAll()
    .where('run_id', '=', runId)
    .where('digest', '=', digest)
    .orderBy('turn', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? toStoredDiff(row) : null
}

/** The newest diffs of a run without their content, oldest first. Primary key. */
export async function diffsOfRun(
  db: Db,
  runId: string,
  limit: number,
): Promise<{ turn: number; digest: string }[]> {
  const rows = await db
    .selectFrom('run_diffs')
    .select(['turn', 'digest'])
    .where('run_id', '=', runId)
    .orderBy('turn', 'desc')
    .orderBy('created_at', 'desc')
    .limit(limit)
    .execute()
  return rows.reverse()
}

/** @param digest the whole, or how it begins. Primary key. */
export async function findDiffOfTurn(
  db: Db,
  runId: string,
  turn: number,
  digest: string,
): Promise<StoredDiff | null> {
  const row = await db
    .selectFrom('run_diffs')
    .selectAll()
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .where(sql<boolean>`starts_with(digest, ${digest})`)
    .orderBy('created_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? toStoredDiff(row) : null
}

const toStoredDiff = (row: Selectable<RunDiffsTable>): StoredDiff => ({
  runId: row.run_id,
  turn: row.turn,
  digest: row.digest,
  content: row.content.toString('utf8'),
  files: SandboxFilesSchema.parse(JSON.parse(row.files)),
  createdAt: row.created_at,
})
