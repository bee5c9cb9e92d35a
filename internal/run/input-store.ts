/** All SQL of inputs: what an agent is told, in the order it was said. */
import { type Selectable, sql } from 'kysely'
import { afterPage, cursorOf, toPage } from '../db/pages.ts'
import type { Db, RunInputsTable } from '../db/tables.ts'
import type { NewEvent } from '../event/event.ts'
import type { Page, PageRequest } from '../page.ts'
import type { RunInput } from './run-input.ts'

export async function insertInput(
  tx: Db,
  input: Pick<RunInput, 'id' | 'runId' | 'turn' | 'source' | 'delivery' | 'content' | 'actor'>,
): Promise<void> {
  await tx
    .insertInto('run_inputs')
    .values({
      id: input.id,
      run_id: input.runId,
      turn: input.turn,
      source: input.source,
      delivery: input.delivery,
      status: 'queued',
      content: input.content,
      actor: input.actor,
    })
    .execute()
}

/** The oldest that waits; what was to be folded into a turn that ended meanwhile comes in its turn. */
export async function queuedInput(db: Db, runId: string): Promise<RunInput | null> {
  const row = await db
    .selectFrom('run_inputs')
    .selectAll()
    .where('run_id', '=', runId)
    .where('status', '=', 'queued')
    .orderBy('created_at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row ? toInput(row) : null
}

/** Inputs to be folded into the running turn, oldest first. */
export async function queuedSteers(db: Db, runId: string): Promise<RunInput[]> {
  const rows = await db
    .selectFrom('run_inputs')
    .selectAll()
    .where('run_id', '=', runId)
    .where('status', '=', 'queued')
    .where('delivery', '=', 'steer')
    .orderBy('created_at')
    .orderBy('id')
    .limit(MAX_QUEUED_INPUTS)
    .execute()
  return rows.map(toInput)
}

/** Of these runs the ones with inputs to fold in. Index run_inputs_queued. */
export async function runsToSteer(db: Db, ids: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('run_inputs')
    .select('run_id')
    .distinct()
    .where('run_id', 'in', [...ids])
    .where('status', '=', 'queued')
    .where('delivery', '=', 'steer')
    .execute()
  return rows.map((row) => row.run_id)
}

/** Runs whose turn is over and that have more to be told. */
export async function runsToGoOn(db: Db): Promise<string[]> {
  const rows = await db
    .selectFrom('run_inputs')
    .innerJoin('runs', 'runs.id', 'run_inputs.run_id')
    .select('run_inputs.run_id')
    .distinct()
    .where('run_inputs.status', '=', 'queued')
    .where('runs.status', 'in', ['needs_review', 'complete'])
    .limit(100)
    .execute()
  return rows.map((row) => row.run_id)
}

/** What the agent was told in this turn so far, in order. */
export async function deliveredInputs(db: Db, runId: string, turn: number): Promise<RunInput[]> {
  const rows = await db
    .selectFrom('run_inputs')
    .selectAll()
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .where('status', '=', 'delivered')
    .orderBy('delivered_at')
    .orderBy('id')
    .execute()
  return rows.map(toInput)
}

/** It was changed or taken back since it was read: the transaction that hands it over is rolled back. */
export class InputChanged extends Error {
  constructor() {
    super('the input is not what it was')
    this.name = 'InputChanged'
  }
}

/** @throws InputChanged: the agent must not be told what its author has changed or taken back */
export async function deliverInput(
  tx: Db,
  input: Pick<RunInput, 'id' | 'content'>,
  how: { readonly turn: number; readonly sequence: number | null },
): Promise<void> {
  const delivered = await tx
    .updateTable('run_inputs')
    .set({
      status: 'delivered',
      turn: how.turn,
      delivered_at: sql<Date>`clock_timestamp()`,
      sequence: how.sequence,
    })
    .where('id', '=', input.id)
    .where('status', '=', 'queued')
    .where('content', '=', input.content)
    .returning('id')
    .executeTakeFirst()
  if (!delivered) throw new InputChanged()
}

/** The agent could not be told after all: it waits again. */
export async function putBackInput(tx: Db, id: string): Promise<void> {
  await tx
    .updateTable('run_inputs')
    .set({ status: 'queued', delivered_at: null, sequence: null })
    .where('id', '=', id)
    .where('status', '=', 'delivered')
    .execute()
}

/** What a cut turn was told is told again by the next attempt. */
export async function requeueInputs(tx: Db, runId: string, turn: number): Promise<void> {
  await tx
    .updateTable('run_inputs')
    .set({ status: 'queued', delivered_at: null, sequence: null })
    .where('run_id', '=', runId)
    .where('turn', '=', turn)
    .where('status', '=', 'delivered')
    .execute()
}

export async function findInput(db: Db, runId: string, id: string): Promise<RunInput | null> {
  const row = await db
    .selectFrom('run_inputs')
    .selectAll()
    .where('id', '=', id)
    .where('run_id', '=', runId)
    .executeTakeFirst()
  return row ? toInput(row) : null
}

/** More than this many wait: the client is told to slow down. */
export const MAX_QUEUED_INPUTS = 100

/** A page, oldest first, by keyset (created_at, id). Index run_inputs_of_run. */
export async function listInputs(db: Db, runId: string, page: PageRequest): Promise<Page<RunInput>> {
  const matching = db.selectFrom('run_inputs').where('run_id', '=', runId)
  const rows = await matching
    .selectAll()
    .select(cursorOf('run_inputs').as('cursor'))
    .where(afterPage('run_inputs', page.after, 'oldest first'))
    .orderBy('created_at')
    .orderBy('id')
    .offset(page.offset)
    .limit(page.size + 1)
    .execute()
  const list = { table: 'run_inputs', size: page.size, matching: matching.select('id') } as const
  return toPage(db, list, rows, toInput)
}

/** What the run was first told. Index run_inputs_of_run. */
export async function firstPrompt(db: Db, runId: string): Promise<string | null> {
  const row = await db
    .selectFrom('run_inputs')
    .select('content')
    .where('run_id', '=', runId)
    .where('source', '=', 'prompt')
    .orderBy('created_at')
    .limit(1)
    .executeTakeFirst()
  return row?.content ?? null
}

export async function countQueued(db: Db, runId: string): Promise<number> {
  const row = await db
    .selectFrom('run_inputs')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('run_id', '=', runId)
    .where('status', '=', 'queued')
    .executeTakeFirstOrThrow()
  return row.n
}

/** @returns false: it is not queued any more */
export async function changeQueued(
  tx: Db,
  id: string,
  change: { readonly content: string } | { readonly status: 'cancelled' },
): Promise<boolean> {
  const row = await tx
    .updateTable('run_inputs')
    .set(change)
    .where('id', '=', id)
    .where('status', '=', 'queued')
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** A stopped run hears nothing more. Its row is locked by the caller. @returns the events to append */
export async function cancelWaiting(tx: Db, runId: string): Promise<NewEvent[]> {
  const rows = await tx
    .updateTable('run_inputs')
    .set({ status: 'cancelled' })
    .where('run_id', '=', runId)
    .where('status', '=', 'queued')
    .returningAll()
    .execute()
  return rows.map((row) => inputEvent(toInput(row), 'cancelled'))
}

export const inputEvent = (
  input: Pick<RunInput, 'id' | 'delivery' | 'content' | 'source'>,
  status: RunInput['status'],
): NewEvent => ({
  payload: {
    input: {
      input_id: input.id,
      status,
      delivery: input.delivery,
      content: input.content,
      source: input.source,
    },
  },
  synthetic: true,
})

const toInput = (row: Selectable<RunInputsTable>): RunInput => ({
  id: row.id,
  runId: row.run_id,
  turn: row.turn,
  source: row.source,
  delivery: row.delivery,
  status: row.status,
  content: row.content,
  createdAt: row.created_at,
  deliveredAt: row.delivered_at,
  sequence: row.sequence,
  actor: row.actor,
})
