/** SQL of snapshots: one row a turn, the bytes of all files behind one another. */
import { z } from 'zod'
import type { Db } from '../db/tables.ts'
import type { SnapshotFile } from './snapshot.ts'

const Manifest = z.array(
  z.object({
    path: z.string(),
    mode: z.enum(['100644', '100755', '120000']).nullable(),
    size: z.int().nonnegative(),
  }),
)

/** In the transaction that ends the turn: a turn ends once. */
export async function insertSnapshot(
  tx: Db,
  runId: string,
  turn: number,
  files: readonly SnapshotFile[],
): Promise<void> {
  const manifest = files.map(({ path, mode, content }) => ({ path, mode, size: content.length }))
  await tx
    .insertInto('run_snapshots')
    .values({
      run_id: runId,
      turn,
      manifest: JSON.stringify(manifest),
      content: Buffer.concat(files.map(({ content }) => content)),
    })
    .execute()
}

/** Primary key. */
export async function hasSnapshot(db: Db, runId: string, turn: number): Promise<boolean> {
  const row = await db
    .selectFrom('run_snapshots')
    .select('turn')
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .executeTakeFirst()
  return row !== undefined
}

/** Primary key. Null: nothing was kept. */
export async function findSnapshot(db: Db, runId: string, turn: number): Promise<SnapshotFile[] | null> {
  const row = await db
    .selectFrom('run_snapshots')
    .select(['manifest', 'content'])
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .executeTakeFirst()
  if (!row) return null
  let at = 0
  return Manifest.parse(JSON.parse(row.manifest)).map(({ path, mode, size }) => {
    const content = row.content.subarray(at, at + size)
    at += size
    return { path, mode, content }
  })
}
