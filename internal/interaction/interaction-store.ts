/**
 * All SQL of interactions. A change of one goes with a change of its run's counter and an event, in one
 * transaction that takes the run's row first: two who answer at once wait for each other there.
 */
import { type Selectable, sql } from 'kysely'
import type { Db, InteractionsTable } from '../db/tables.ts'
import type { NewEvent } from '../event/event.ts'
import { AnswerSchema, QuestionsSchema } from '../stored-json.ts'
import type { Interaction, InteractionAnswer, InteractionKind } from './interaction.ts'

export interface NewInteraction {
  readonly id: string
  readonly runId: string
  readonly turn: number
  readonly attempt: number
  readonly kind: InteractionKind
  readonly toolName: string | null
  readonly reach: 'inside' | 'outside' | null
  readonly detail: string
  /** JSON texts, cleaned. */
  readonly input: string
  readonly questions: string
  readonly digest: string
  readonly fallback: 'deny' | 'allow'
  readonly timeoutMs: number
}

/** Patches of the run's row that go with each change. */
export const ONE_MORE_OPEN = {
  pending_interactions: sql<number>`pending_interactions + 1`,
  interaction_since: sql<Date>`CASE WHEN pending_interactions = 0 THEN now() ELSE interaction_since END`,
}
/** Never below none: of two who close the same one the second finds it closed a statement later, and is undone. */
export const ONE_LESS_OPEN = { pending_interactions: sql<number>`greatest(pending_interactions - 1, 0)` }
export const NONE_OPEN = { pending_interactions: 0 } as const

export async function insertInteraction(tx: Db, interaction: NewInteraction): Promise<void> {
  await tx
    .insertInto('interactions')
    .values({
      id: interaction.id,
      run_id: interaction.runId,
      turn: interaction.turn,
      attempt: interaction.attempt,
      kind: interaction.kind,
      status: 'pending',
      tool_name: interaction.toolName,
      reach: interaction.reach,
      detail: interaction.detail,
      input: interaction.input,
      questions: interaction.questions,
      digest: interaction.digest,
      fallback: interaction.fallback,
      deadline_at: sql<Date>`now() + make_interval(secs => ${interaction.timeoutMs / 1000})`,
    })
    .execute()
}

/** Somebody else closed it first: the transaction that wanted to is rolled back. */
export class AlreadyClosed extends Error {
  constructor() {
    super('the interaction is closed')
    this.name = 'AlreadyClosed'
  }
}

/** Primary key. @throws AlreadyClosed */
export async function closeInteraction(
  tx: Db,
  id: string,
  how: {
    readonly status: 'answered' | 'expired' | 'withdrawn'
    readonly answer: InteractionAnswer | null
    readonly answeredBy: string | null
  },
): Promise<void> {
  const closed = await tx
    .updateTable('interactions')
    .set({
      status: how.status,
      answer: how.answer && JSON.stringify(how.answer),
      answered_by: how.answeredBy,
      closed_at: sql<Date>`now()`,
      late: sql<boolean>`(SELECT status = 'pending' FROM agent_manager.runs WHERE id = interactions.run_id)`,
    })
    .where('id', '=', id)
    .where('status', '=', 'pending')
    .returning('id')
    .executeTakeFirst()
  if (!closed) throw new AlreadyClosed()
}

export async function findInteraction(db: Db, runId: string, id: string): Promise<Interaction | null> {
  const row = await db
    .selectFrom('interactions')
    .selectAll()
    .where('id', '=', id)
    .where('run_id', '=', runId)
    .executeTakeFirst()
  return row ? toInteraction(row) : null
}

const MAX_SHOWN = 1000

/** The newest thousand, oldest first. Index interactions_of_run. */
export async function listInteractions(
  db: Db,
  runId: string,
  status: 'pending' | null,
): Promise<Interaction[]> {
  let query = db.selectFrom('interactions').selectAll().where('run_id', '=', runId)
  if (status !== null) query = query.where('status', '=', status)
  const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(MAX_SHOWN).execute()
  return rows.reverse().map(toInteraction)
}

/** The oldest thousand that are open in these runs. Index interactions_of_run. */
export async function listPendingOf(db: Db, runIds: readonly string[]): Promise<Interaction[]> {
  const rows = await db
    .selectFrom('interactions')
    .selectAll()
    .where('run_id', 'in', [...runIds])
    .where('status', '=', 'pending')
    .orderBy('created_at')
    .orderBy('id')
    .limit(MAX_SHOWN)
    .execute()
  return rows.map(toInteraction)
}

export interface ClosedInteraction extends Interaction {
  readonly attempt: number
  readonly reach: 'inside' | 'outside' | null
  readonly digest: string
}

/** What was decided in this run and may count again: for its later attempts, or for the rest of its session. */
export async function closedInteractions(db: Db, runId: string): Promise<ClosedInteraction[]> {
  const rows = await db
    .selectFrom('interactions')
    .selectAll()
    .where('run_id', '=', runId)
    .where('status', 'in', ['answered', 'expired'])
    .orderBy('created_at', 'desc')
    .limit(MAX_SHOWN)
    .execute()
  return rows
    .reverse()
    .map((row) => ({ ...toInteraction(row), attempt: row.attempt, reach: row.reach, digest: row.digest }))
}

/** What was closed after the last attempt of a turn was cut: its agent never heard of it. */
export async function lateInteractions(db: Db, runId: string, turn: number): Promise<readonly Interaction[]> {
  const rows = await db
    .selectFrom('interactions')
    .selectAll()
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .orderBy('created_at')
    .limit(MAX_SHOWN)
    .execute()
  const last = Math.max(...rows.map((row) => row.attempt))
  return rows.filter((row) => row.late && row.attempt === last).map(toInteraction)
}

/** Of these, the ones that are not pending any more. Primary key. */
export async function closedOf(db: Db, ids: readonly string[]): Promise<Interaction[]> {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('interactions')
    .selectAll()
    .where('id', 'in', [...ids])
    .where('status', '!=', 'pending')
    .execute()
  return rows.map(toInteraction)
}

/** Open ones of runs that nobody drives (parked, or waiting for a slot) whose time is over. */
export async function overdueUndriven(
  db: Db,
): Promise<(Interaction & { readonly fallback: 'deny' | 'allow' })[]> {
  const rows = await db
    .selectFrom('interactions')
    .innerJoin('runs', 'runs.id', 'interactions.run_id')
    .selectAll('interactions')
    .where('interactions.status', '=', 'pending')
    .where('interactions.deadline_at', '<', sql<Date>`now()`)
    .where('runs.status', '=', 'pending')
    .orderBy('interactions.deadline_at')
    .limit(100)
    .execute()
  return rows.map((row) => ({ ...toInteraction(row), fallback: row.fallback }))
}

/** Nobody needs the answers any more. The run's row is locked by the caller. @returns the events to append */
export async function withdrawWaiting(tx: Db, runId: string): Promise<NewEvent[]> {
  const rows = await tx
    .updateTable('interactions')
    .set({ status: 'withdrawn', closed_at: sql<Date>`now()` })
    .where('run_id', '=', runId)
    .where('status', '=', 'pending')
    .returningAll()
    .execute()
  const told = { status: 'withdrawn', decision: null, decidedBy: null, reason: null } as const
  return rows.map((row) => interactionEvent(toInteraction(row), told))
}

/** Whether a client has looked at the run's interactions since a time. */
export async function wereReadSince(db: Db, runId: string, since: Date): Promise<boolean> {
  const row = await db
    .selectFrom('runs')
    .select('interactions_read_at')
    .where('id', '=', runId)
    .executeTakeFirst()
  return row !== undefined && row.interactions_read_at !== null && row.interactions_read_at >= since
}

/** @returns false: there is no such run */
export async function noteRead(db: Db, runId: string): Promise<boolean> {
  const row = await db
    .updateTable('runs')
    .set({ interactions_read_at: sql<Date>`now()` })
    .where('id', '=', runId)
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** The same for several runs; rows are locked in one order, so that two who look do not wait for each other. */
export async function noteReads(db: Db, runIds: readonly string[]): Promise<void> {
  await db
    .updateTable('runs')
    .set({ interactions_read_at: sql<Date>`now()` })
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('runs')
        .select('id')
        .where('id', 'in', [...runIds])
        .orderBy('id')
        .forUpdate(),
    )
    .execute()
}

export const interactionEvent = (
  interaction: Pick<Interaction, 'id' | 'kind' | 'toolName'>,
  now: {
    readonly status: Interaction['status']
    readonly decision: 'allow' | 'deny' | null
    readonly decidedBy: string | null
    readonly reason: string | null
  },
): NewEvent => ({
  payload: {
    interaction: {
      interaction_id: interaction.id,
      kind: interaction.kind,
      status: now.status,
      tool_name: interaction.toolName,
      decision: now.decision,
      decided_by: now.decidedBy,
      reason: now.reason,
    },
  },
  synthetic: true,
})

function toInteraction(row: Selectable<InteractionsTable>): Interaction {
  return {
    id: row.id,
    runId: row.run_id,
    turn: row.turn,
    kind: row.kind,
    status: row.status,
    toolName: row.tool_name,
    detail: row.detail,
    input: JSON.parse(row.input),
    questions: QuestionsSchema.parse(JSON.parse(row.questions)),
    suggestions: row.kind === 'permission' ? SUGGESTIONS : [],
    createdAt: row.created_at,
    deadlineAt: row.deadline_at,
    answer: row.answer === null ? null : AnswerSchema.parse(JSON.parse(row.answer)),
    answeredBy: row.answered_by,
  }
}

const SUGGESTIONS: Interaction['suggestions'] = [
  { decision: 'allow', scope: 'once' },
  { decision: 'allow', scope: 'session' },
  { decision: 'deny', scope: 'once' },
]
