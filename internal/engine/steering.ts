/** Hands inputs to an agent that works, in order, each written down as delivered once the agent has it. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { deliverInput, inputEvent, queuedSteers } from '../run/input-store.ts'
import type { Steer } from '../runner/port.ts'
import type { RunWriter } from './run-writer.ts'

export class Steering {
  readonly #deps: {
    readonly db: Kysely<Tables>
    readonly log: Logger
    readonly writer: RunWriter
    readonly runId: string
    readonly turn: number
  }
  #handler: ((steer: Steer) => Promise<void>) | null = null
  #line: Promise<void> = Promise.resolve()

  constructor(deps: {
    db: Kysely<Tables>
    log: Logger
    writer: RunWriter
    runId: string
    turn: number
  }) {
    this.#deps = deps
  }

  /** The agent is ready to be told more. */
  attach(handler: (steer: Steer) => Promise<void>): void {
    this.#handler = handler
    void this.deliver()
  }

  /** The turn is over: what was not handed over stays for the next one. */
  close(): void {
    this.#handler = null
  }

  /** Something may wait. Never rejects. */
  deliver(): Promise<void> {
    this.#line = this.#line
      .then(() => this.#deliver())
      .catch((error: unknown) => {
        this.#deps.log.warn({ run_id: this.#deps.runId, error: messageOf(error) }, 'steering put off')
      })
    return this.#line
  }

  async #deliver(): Promise<void> {
    const { db, writer, runId, turn } = this.#deps
    if (!this.#handler) return
    for (const input of await queuedSteers(db, runId)) {
      const handler = this.#handler
      if (!handler) return
      await handler({ id: input.id, text: input.content })
      await writer.change({
        from: ['running'],
        patch: {},
        events: [inputEvent(input, 'delivered')],
        also: (tx, [event]) => deliverInput(tx, input.id, { turn, sequence: event?.seq ?? null }),
      })
    }
  }
}
