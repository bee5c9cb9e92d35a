/** When a watch tries again, and when it gives up. */
import { UnreachableError } from '../errors.ts'
import { PATIENCE_MS } from '../limits.ts'
import { backoffMs, pause } from '../pause.ts'

const PAUSES = { baseMs: 100, maxMs: 5000 }

export interface Patience {
  readonly baseUrl: string
  readonly signal: AbortSignal | undefined
  /** Milliseconds without the service after which the watch fails. */
  readonly patienceMs: number | undefined
}

export class Reconnect {
  readonly #options: Patience
  #aliveAt = performance.now()
  #failures = 0

  constructor(options: Patience) {
    this.#options = options
  }

  /** The service is there. */
  alive(): void {
    this.#aliveAt = performance.now()
    this.#failures = 0
  }

  /**
   * Waits a moment. Throws UnreachableError when patience is at its end, or the signal's reason.
   * @param standing where the watch stands, for the error
   */
  async beforeNextTry(standing: () => string): Promise<void> {
    const { baseUrl, signal, patienceMs = PATIENCE_MS } = this.#options
    signal?.throwIfAborted()
    if (performance.now() - this.#aliveAt > patienceMs) throw new UnreachableError(baseUrl, standing())
    this.#failures += 1
    await pause(backoffMs(this.#failures, PAUSES), signal)
  }
}
