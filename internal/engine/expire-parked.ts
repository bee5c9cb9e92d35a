/** Closes questions of parked runs whose time is over: the default counts, and the run goes on. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import type { StoredEvent } from '../event/event.ts'
import { append } from '../event/event-store.ts'
import type { Redactor } from '../event/redactor.ts'
import { toStorable } from '../event/storable.ts'
import type { InteractionAnswer } from '../interaction/interaction.ts'
import {
  AlreadyClosed,
  closeInteraction,
  interactionEvent,
  ONE_LESS_OPEN,
  overdueUndriven,
} from '../interaction/interaction-store.ts'

/** @returns whether one was closed */
export async function expireParked(deps: {
  readonly db: Kysely<Tables>
  readonly redactor: Redactor
  publish(events: readonly StoredEvent[]): void
}): Promise<boolean> {
  let closed = false
  for (const interaction of await overdueUndriven(deps.db)) {
    const { id, runId, fallback: decision } = interaction
    const message = decision === 'deny' ? 'Nobody answered in time.' : null
    const answer: InteractionAnswer = { ...UNANSWERED, decision, message }
    const told = { status: 'expired', decision, decidedBy: null, reason: message } as const
    const event = toStorable(interactionEvent(interaction, told), deps.redactor)
    try {
      const events = await deps.db.transaction().execute(async (tx) => {
        const stored = await append(tx, {
          runId,
          from: ['pending'],
          fence: null,
          patch: ONE_LESS_OPEN,
          events: [event],
        })
        if (stored) await closeInteraction(tx, id, { status: 'expired', answer, answeredBy: null })
        return stored
      })
      if (!events) continue // it is driven again, or ended
      deps.publish(events)
      closed = true
    } catch (error) {
      if (!(error instanceof AlreadyClosed)) throw error
    }
  }
  return closed
}

const UNANSWERED = { scope: 'once', input: null, interrupt: false, answers: null } as const
