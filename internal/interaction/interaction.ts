/** An interaction: something the agent waits for a person to say. A row; it outlives agent, turn and service. */
import type { Question } from '../runner/port.ts'

export const INTERACTION_KINDS = ['permission', 'question'] as const
export type InteractionKind = (typeof INTERACTION_KINDS)[number]

/** `expired`: its time ran out and the default was taken. `withdrawn`: nobody needs the answer any more. */
export const INTERACTION_STATUSES = ['pending', 'answered', 'expired', 'withdrawn'] as const
export type InteractionStatus = (typeof INTERACTION_STATUSES)[number]

/** What a person said. Two answers are the same when all of this is the same but the actor. */
export interface InteractionAnswer {
  readonly decision: 'allow' | 'deny'
  /** `session`: also what is asked like it in the rest of this run. */
  readonly scope: 'once' | 'session'
  /** Allowed, but with this input; null: as asked. */
  readonly input: unknown
  /** Told to the agent; null: a sentence of ours. */
  readonly message: string | null
  /** Denied, and the turn ends. */
  readonly interrupt: boolean
  /** To a question: by question text. */
  readonly answers: Readonly<Record<string, string>> | null
}

export interface Interaction {
  readonly id: string
  readonly runId: string
  readonly turn: number
  readonly kind: InteractionKind
  readonly status: InteractionStatus
  readonly toolName: string | null
  /** For a person: what it is about. */
  readonly detail: string
  readonly input: unknown
  readonly questions: readonly Question[]
  /** Answers a client may offer as buttons. */
  readonly suggestions: readonly { readonly decision: 'allow' | 'deny'; readonly scope: 'once' | 'session' }[]
  readonly createdAt: Date
  readonly deadlineAt: Date
  /** What counts: the person's answer, or the default that was taken. Null while pending or withdrawn. */
  readonly answer: InteractionAnswer | null
  /** Who answered; null: nobody. */
  readonly answeredBy: string | null
}
