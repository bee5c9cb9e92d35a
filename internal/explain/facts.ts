/** What a run is explained with. */
import type { Interaction } from '../interaction/interaction.ts'
import type { Run } from '../run/run.ts'

export interface ExplainFacts {
  readonly run: Run
  /** The database's time: leases and deadlines are compared with it. */
  readonly now: Date
  readonly queue: {
    /** Runs that will be taken before this one. */
    readonly ahead: number
    /** Runs that agents work on, of all replicas. */
    readonly driven: number
  }
  /** The replica that answers. */
  readonly replica: { readonly places: number; readonly taken: number; readonly isClaiming: boolean }
  /** How long turns took lately, in milliseconds; null: too few to tell. */
  readonly usualMs: number | null
  readonly lease: {
    readonly owner: string
    readonly host: string
    readonly expiresAt: Date
    readonly heartbeatAt: Date | null
    /** The replica said that it stops, or was found dead. */
    readonly isOwnerGone: boolean
  } | null
  readonly stop: { readonly requestedAt: Date; readonly by: string } | null
  /** Who wants the running turn to end. */
  readonly interruptedBy: string | null
  readonly queuedInputs: number
  /** Oldest first. */
  readonly interactions: readonly Interaction[]
  /** The newest attempt to land the changes of this turn. */
  readonly approval: {
    readonly state: string
    readonly actor: string
    readonly error: string | null
    readonly commitHash: string | null
  } | null
  readonly sandbox: {
    readonly id: string
    readonly removedAt: Date | null
    /** As its service says; null: it does not answer. */
    readonly state: string | null
  } | null
  /** Of what a run needs to start; null where it does not need it any more. */
  readonly needs: readonly ExplainCheck[]
}

export interface ExplainCheck {
  /** snake_case, stable. */
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}
