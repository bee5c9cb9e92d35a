/** An input: what the agent is told. It waits in a row and enters the log when it is handed over. */

export interface RunInput {
  readonly id: string
  readonly runId: string
  readonly turn: number
  readonly source: 'prompt' | 'continue' | 'review'
  /** `steer`: folded into the running turn; `queue`: a turn of its own after it. */
  readonly delivery: 'queue' | 'steer'
  readonly status: 'queued' | 'delivered' | 'cancelled'
  readonly content: string
  readonly createdAt: Date
  readonly deliveredAt: Date | null
  /** Who said it; null: the caller did not say. */
  readonly actor: string | null
  /** Number of the event that says it was handed over; null before. */
  readonly sequence: number | null
}
