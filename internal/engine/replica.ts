/**
 * This process among its kind. After kill -9 the next one on the same machine need not wait for leases to run
 * out: a pid that is gone, or that belongs to a later process, or to an earlier boot, proves its replica dead.
 */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { type Kysely, sql } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Tables } from '../db/tables.ts'
import { isAlive, readProcess } from '../process/proc.ts'

const UNKNOWN = 'unknown'

export interface ReplicaIdentity {
  readonly id: string
  readonly host: string
  readonly bootId: string
  readonly pid: number
  readonly pidStarted: string
}

export async function identifyReplica(pid: number): Promise<ReplicaIdentity> {
  return {
    id: uuid(),
    host: await hostId(),
    bootId: await bootId(),
    pid,
    pidStarted: readProcess(pid)?.startTime ?? UNKNOWN,
  }
}

export async function registerReplica(db: Kysely<Tables>, replica: ReplicaIdentity): Promise<void> {
  await db
    .insertInto('replicas')
    .values({
      id: replica.id,
      host: replica.host,
      boot_id: replica.bootId,
      pid: replica.pid,
      pid_started: replica.pidStarted,
    })
    .execute()
}

export async function retireReplica(db: Kysely<Tables>, id: string): Promise<void> {
  await db.updateTable('replicas').set({ stopped_at: sql<Date>`now()` }).where('id', '=', id).execute()
}

/**
 * Ends the leases of replicas of this machine that are proven dead, so that their runs, approvals and
 * keyed requests are taken over at once. A replica is written down as stopped only when its agents are gone: from then on its word is
 * proof for everybody.
 * @param endAgents ends what these replicas left running; when it throws, they are found again the next time
 * @returns the ids of the replicas that were found dead
 */
export async function expireDeadReplicas(
  db: Kysely<Tables>,
  self: ReplicaIdentity,
  endAgents: (dead: readonly string[]) => Promise<void>,
): Promise<readonly string[]> {
  if (self.pidStarted === UNKNOWN) return [] // no /proc to judge by: their leases run out
  const others = await db
    .selectFrom('replicas')
    .selectAll()
    .where('host', '=', self.host)
    .where('stopped_at', 'is', null)
    .where('id', '!=', self.id)
    .execute()
  const dead: string[] = []
  for (const other of others) {
    const lives = other.boot_id === self.bootId && isAlive({ pid: other.pid, startTime: other.pid_started })
    if (!lives) dead.push(other.id)
  }
  if (dead.length === 0) return []
  await endAgents(dead)
  await db.transaction().execute(async (tx) => {
    const over = { lease_expires_at: sql<Date>`now() - interval '1 second'` }
    await tx.updateTable('runs').set(over).where('lease_owner', 'in', dead).execute()
    await tx.updateTable('approvals').set(over).where('lease_owner', 'in', dead).execute()
    await tx
      .updateTable('idempotency_records')
      .set(over)
      .where('state', '=', 'running')
      .where('lease_owner', 'in', dead)
      .execute()
    await tx.updateTable('replicas').set({ stopped_at: sql<Date>`now()` }).where('id', 'in', dead).execute()
  })
  return dead
}

/** What is known of the owner of a lease that is over. `stopped`: with all its agents. */
export async function findOwner(
  db: Kysely<Tables>,
  id: string,
  self: ReplicaIdentity,
): Promise<{ readonly stopped: boolean; readonly isHere: boolean }> {
  const row = await db.selectFrom('replicas').selectAll().where('id', '=', id).executeTakeFirst()
  const isHere = self.pidStarted !== UNKNOWN && row?.host === self.host && row.boot_id === self.bootId
  return { stopped: row !== undefined && row.stopped_at !== null, isHere }
}

/** Two containers may share a host name: the machine id tells them apart where there is one. */
async function hostId(): Promise<string> {
  const machine = await readFile('/etc/machine-id', 'utf8').catch(() => '')
  return `${hostname()}/${machine.trim()}`
}

const bootId = async (): Promise<string> =>
  (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => 'unknown')).trim()
