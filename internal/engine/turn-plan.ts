/** What a turn begins with: what the agent is told, and whether its session goes on. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { lateInteractions } from '../interaction/interaction-store.ts'
import { deliveredInputs, queuedInput } from '../run/input-store.ts'
import type { RunInput } from '../run/run-input.ts'
import type { ClaimedRow } from '../run/run-queue.ts'
import type { RunnerCapabilities } from '../runner/port.ts'
import { goOnPrompt, replayOf } from './going-on.ts'

export interface TurnPlan {
  /** Handed over with this turn's begin; null: the agent has it already, the turn was cut. */
  readonly input: RunInput | null
  /** For a new session. */
  readonly prompt: string
  /** For the session that goes on; null with it. */
  readonly resumePrompt: string | null
  readonly sessionId: string | null
  /** How many requests of the cut turn were open: so many tool calls were never carried out. */
  readonly openAtCut: number
  /** The earlier conversation is part of `prompt`. */
  readonly isReplay: boolean
}

/** Null: there is nothing to tell any more, because its author took it back. */
export async function planTurn(
  db: Kysely<Tables>,
  row: Pick<ClaimedRow, 'id' | 'turn' | 'session_id'>,
  facts: {
    /** The agent works where it worked before. */
    readonly isSameFolder: boolean
    readonly capabilities: Pick<RunnerCapabilities, 'continuation' | 'resumeAnyDirectory'>
  },
): Promise<TurnPlan | null> {
  const { isSameFolder, capabilities } = facts
  const told = await deliveredInputs(db, row.id, row.turn)
  const input = told.length === 0 ? await queuedInput(db, row.id) : null
  if (told.length === 0 && input === null) return null
  const plain = input?.content ?? told.map(({ content }) => content).join('\n\n')
  // A session that believes in work which is gone would build on it: a cut turn needs its folder.
  const isUsable = isSameFolder || (capabilities.resumeAnyDirectory && input !== null)
  const sessionId = capabilities.continuation && isUsable ? row.session_id : null
  const replay = await replayOf(db, row.id, row.turn)
  const late = input === null ? await lateInteractions(db, row.id, row.turn) : []
  const resumePrompt = input === null ? goOnPrompt(late, plain) : plain
  return {
    input,
    prompt: `${replay}${plain}`,
    resumePrompt: sessionId === null ? null : resumePrompt,
    sessionId,
    openAtCut: late.length,
    isReplay: replay !== '',
  }
}
