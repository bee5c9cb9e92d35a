/** The agent programs of the service's machine, and their models. */
import { SLOW_REQUEST_TIMEOUT_MS } from './limits.ts'
import { path } from './path.ts'
import type { CallOptions, Transport } from './transport.ts'
import type { ProbeResult, Runner } from './types.ts'

export class Runners {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  async list(options: CallOptions = {}): Promise<readonly Runner[]> {
    const request = { method: 'GET', path: '/api/v1/runners', ...options } as const
    return (await this.#transport.json<{ runners: Runner[] }>(request)).runners
  }

  /** Starts the agent program to see whether it works. Changes nothing. */
  async probe(runnerType: string, options: CallOptions = {}): Promise<ProbeResult> {
    const answer = await this.#transport.json<{ result: ProbeResult }>({
      method: 'POST',
      path: path`/api/v1/runners/${runnerType}/probe`,
      readOnly: true,
      timeoutMs: SLOW_REQUEST_TIMEOUT_MS,
      ...options,
    })
    return answer.result
  }

  /** The models that are known for each runner. */
  models(options: CallOptions = {}): Promise<Readonly<Record<string, unknown>>> {
    return this.#transport.json({ method: 'GET', path: '/api/v1/runner-models', ...options })
  }
}
