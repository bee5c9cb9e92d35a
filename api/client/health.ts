/** The state of the service. */
import type { CallOptions, Transport } from './transport.ts'
import type { Health } from './types.ts'

export class HealthReports {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** What stands and what does not; an unhealthy service answers too. */
  get(options: CallOptions = {}): Promise<Health> {
    return this.#transport.json({ method: 'GET', path: '/api/v1/health', alsoOk: [503], ...options })
  }

  /** Whether requests should be sent there. */
  async isReady(options: CallOptions = {}): Promise<boolean> {
    const request = { method: 'GET', path: '/readyz', alsoOk: [503], ...options } as const
    return (await this.#transport.json<{ readiness?: boolean }>(request)).readiness === true
  }

  /** The description of every route (OpenAPI). */
  openApi(options: CallOptions = {}): Promise<Readonly<Record<string, unknown>>> {
    return this.#transport.json({ method: 'GET', path: '/api/v1/openapi.json', ...options })
  }
}
