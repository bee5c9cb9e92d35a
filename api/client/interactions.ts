/** What agents wait for a person to say. */
import { path } from './path.ts'
import type { CallOptions, Transport, WriteOptions } from './transport.ts'
import type { AnswerRequest, Interaction } from './types.ts'

export class Interactions {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Oldest first. Whoever reads them counts as somebody who may answer: later ones wait for their deadline. */
  async list(runId: string, options: CallOptions = {}): Promise<readonly Interaction[]> {
    const request = { method: 'GET', path: path`/api/v1/runs/${runId}/interactions`, ...options } as const
    return (await this.#transport.json<{ interactions: Interaction[] }>(request)).interactions
  }

  /** Those that still wait for an answer. */
  async pending(runId: string, options: CallOptions = {}): Promise<readonly Interaction[]> {
    return (await this.list(runId, options)).filter(({ status }) => status === 'pending')
  }

  /** The same answer again is fine; another one is a 409 STATE_INTERACTION_CLOSED. */
  async answer(
    runId: string,
    id: string,
    answer: AnswerRequest,
    options: WriteOptions = {},
  ): Promise<Interaction> {
    const one = path`/api/v1/runs/${runId}/interactions/${id}/answer`
    const request = { method: 'POST', path: one, body: answer, ...options } as const
    return (await this.#transport.json<{ interaction: Interaction }>(request)).interaction
  }
}
