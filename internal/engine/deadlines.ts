/** The wall clock and the idle timer of one turn, armed before what they guard. */
import type { RunAbort } from './abort.ts'

export class Deadlines {
  readonly #abort: RunAbort
  readonly #idleMs: number
  readonly #wall: NodeJS.Timeout
  #idle: NodeJS.Timeout

  constructor(abort: RunAbort, limits: { wallMs: number; idleMs: number }) {
    this.#abort = abort
    this.#idleMs = limits.idleMs
    this.#wall = setTimeout(() => abort.abort('wall_timeout'), limits.wallMs)
    this.#idle = this.#armIdle()
  }

  /** The agent gave a sign of life. */
  touch(): void {
    this.#idle.refresh()
  }

  clear(): void {
    clearTimeout(this.#wall)
    clearTimeout(this.#idle)
  }

  #armIdle(): NodeJS.Timeout {
    return setTimeout(() => this.#abort.abort('idle_timeout'), this.#idleMs)
  }
}
