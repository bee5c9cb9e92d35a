/** At a turn's end nothing may wait for it any more: open questions are withdrawn, and a stopped run hears no more. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import type { Redactor } from '../event/redactor.ts'
import {
  AlreadyClosed,
  closeInteraction,
  interactionEvent,
  listInteractions,
  ONE_LESS_OPEN,
} from '../interaction/interaction-store.ts'
import { changeQueued, inputEvent, queuedInput } from '../run/input-store.ts'
import { DRIVEN_STATUSES } from '../run/run.ts'
import type { RunWriter } from './run-writer.ts'

const WITHDRAWN = { status: 'withdrawn', answer: null, answeredBy: null } as const
const TOLD = { status: 'withdrawn', decision: null, decidedBy: null, reason: null } as const

/** @param run `inputs`: whether what waits to be heard is cancelled too */
export async function closeWaiting(
  deps: { readonly db: Kysely<Tables>; readonly redactor: Redactor; readonly writer: RunWriter },
  run: { readonly runId: string; readonly inputs: boolean },
): Promise<void> {
  const { db, writer } = deps
  for (const open of await writer.read(() => listInteractions(db, run.runId, 'pending'))) {
    try {
      await writer.change({
        from: DRIVEN_STATUSES,
        patch: ONE_LESS_OPEN,
        events: [interactionEvent(open, TOLD)],
        also: (tx) => closeInteraction(tx, open.id, WITHDRAWN),
      })
    } catch (error) {
      if (!(error instanceof AlreadyClosed)) throw error // else answered this very moment: closed is closed
    }
  }
  if (!run.inputs) return
  for (let input = await writer.read(() => queuedInput(db, run.runId)); input && !writer.isLost; ) {
    const { id } = input
    await writer.change({
      from: DRIVEN_STATUSES,
      patch: {},
      events: [inputEvent(input, 'cancelled')],
      also: async (tx) => void (await changeQueued(tx, id, { status: 'cancelled' })),
    })
    input = await writer.read(() => queuedInput(db, run.runId))
  }
}
