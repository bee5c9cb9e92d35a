/** What the attempts of a turn have come to. Asked only when one was lost. */
import { sql } from 'kysely'
import type { Db } from '../db/tables.ts'
import { type ClaimedRow, MAX_TURN_ATTEMPTS } from '../run/run-queue.ts'
import type { Failure } from '../runner/port.ts'
import { failureOf } from './turn-end.ts'

/** A run that takes its replica down each time must end, however far it came each time. */
export const MAX_LOST_ATTEMPTS = 10

export interface LostAttempts {
  /** Of this turn, before this one. */
  readonly before: number
  /** In the last one the agent said or did something. */
  readonly hasProgress: boolean
}

type Row = Pick<ClaimedRow, 'id' | 'turn' | 'attempt' | 'turn_attempt'>

/** Reads the log of the turn: its primary key leads there, and it is rare. */
export async function lostAttempts(db: Db, row: Row): Promise<LostAttempts> {
  const found = await db
    .selectFrom('run_events')
    .select([
      sql<number>`count(*) FILTER (WHERE name = 'status' AND payload LIKE '%"lease_lost"%')::int`.as(
        'before',
      ),
      sql<boolean>`coalesce(bool_or(attempt = ${row.attempt} AND name IN ('message', 'tool_call', 'tool_result')), false)`.as(
        'has_progress',
      ),
    ])
    .where('run_id', '=', row.id)
    .where('turn', '=', row.turn)
    .executeTakeFirstOrThrow()
  return { before: found.before, hasProgress: found.has_progress }
}

/**
 * Why a run that was lost is not tried again; null: it is. Asked by the reaper and by an owner that lets go.
 * @param keepsProgress it goes on where it was, and came further since it was last lost
 */
export function exhausted(
  row: Pick<Row, 'turn_attempt'>,
  lost: { readonly before: number },
  keepsProgress: boolean,
): Failure | null {
  const times = lost.before + 1
  const isStuck = !keepsProgress && row.turn_attempt >= MAX_TURN_ATTEMPTS
  if (!isStuck && times < MAX_LOST_ATTEMPTS) return null
  return failureOf('attempts_exhausted', `The run was lost ${times} times without an end.`)
}
