/** The tool manifest: what a language model can be given to use this service. */
import { path } from './path.ts'
import type { CallOptions, Transport } from './transport.ts'

type Json = Readonly<Record<string, unknown>>

export class Tools {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(options: CallOptions = {}): Promise<Json> {
    return this.#transport.json({ method: 'GET', path: '/api/v1/tools', ...options })
  }

  get(name: string, options: CallOptions = {}): Promise<Json> {
    return this.#transport.json({ method: 'GET', path: path`/api/v1/tools/${name}`, ...options })
  }
}
