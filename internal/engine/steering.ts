/** Hands inputs to an agent that works, in order. */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { deliverInput, InputChanged, inputEvent, putBackInput, queuedSteers } from '../run/input-store.ts'
import type { RunInput } from '../run/run-input.ts'
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
    const { db, writer, runId } = this.#deps
    if (!this.#handler) return
    for (const input of await queuedSteers(db, runId)) {
      const handler = this.#handler
      if (!handler || !(await this.#take(input))) return
      try {
        await handler({ id: input.id, text: input.content })
      } catch (error) {
        await writer.change({
          from: ['running'],
          patch: {},
          events: [inputEvent(input, 'queued')],
          also: (tx) => putBackInput(tx, input.id),
        })
        throw error
      }
    }
  }

  /**
   * Written down before it is handed over: from then on its author cannot take it back. If we die in between, the
   * next attempt of the turn tells it again.
   * @returns false: it was changed or taken back meanwhile, or the lease is lost; the next look sees what there is
   */
  async #take(input: RunInput): Promise<boolean> {
    const { writer, turn } = this.#deps
    try {
      return await writer.change({
        from: ['running'],
        patch: {},
        events: [inputEvent(input, 'delivered')],
        also: (tx, [event]) => deliverInput(tx, input, { turn, sequence: event?.seq ?? null }),
      })
    } catch (error) {
      if (error instanceof InputChanged) return false
      throw error
    }
  }
}
