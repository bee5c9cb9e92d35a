/** Keeps a postmaster running: one that dies is started again, at the same address. */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../internal/errors.ts'
import type { Logger } from '../../internal/log.ts'
import { type Postmaster, stopPostmaster } from './postmaster.ts'

export type Log = Pick<Logger, 'info' | 'warn' | 'error'>

const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 5000
/** Up for this long, the next death counts as the first. */
const STEADY_MS = 60_000

export class Supervisor {
  #current: Postmaster
  readonly #launch: () => Promise<Postmaster>
  readonly #log: Log
  readonly #stopping = new AbortController()
  readonly #watching: Promise<void>

  constructor(first: Postmaster, launch: () => Promise<Postmaster>, log: Log) {
    this.#current = first
    this.#launch = launch
    this.#log = log
    this.#watching = this.#watch()
  }

  /** Changes when a postmaster was replaced. */
  get pid(): number {
    return this.#current.pid
  }

  /**
   * Ends the postmaster and does not start another.
   * @throws when it outlives SIGINT and SIGQUIT
   */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#end()
    await this.#watching
    await this.#end() // one that was being started meanwhile
  }

  async #end(): Promise<void> {
    if (await stopPostmaster(this.#current)) return
    throw new Error(`the embedded postgres (pid ${this.pid}) does not stop`)
  }

  async #watch(): Promise<void> {
    let delayMs = FIRST_DELAY_MS
    for (;;) {
      const since = performance.now()
      const how = await this.#current.ended
      if (performance.now() - since > STEADY_MS) delayMs = FIRST_DELAY_MS
      if (this.#stopping.signal.aborted) return
      this.#log.error({ how, delayMs }, 'embedded postgres died, starting it again')
      // Rejects only when stopping, which the next check sees.
      await sleep(delayMs, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => undefined)
      if (this.#stopping.signal.aborted) return
      delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS)
      await this.#replace()
    }
  }

  /** When this fails, the ended one stays current and the loop comes round again, later. */
  async #replace(): Promise<void> {
    try {
      this.#current = await this.#launch()
      this.#log.warn({ pid: this.pid }, 'embedded postgres started again')
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, 'embedded postgres could not be started again')
    }
  }
}
