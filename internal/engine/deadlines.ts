/**
 * The wall clock and the idle timer of one turn, armed before what they guard. While a person is awaited both
 * stand still.
 */
import type { RunAbort } from './abort.ts'

export class Deadlines {
  readonly #abort: RunAbort
  readonly #idleMs: number
  #wallLeftMs: number
  #wallSince = 0
  #wall: NodeJS.Timeout | null = null
  #idle: NodeJS.Timeout | null = null
  #pauses = 0
  #cleared = false

  constructor(abort: RunAbort, limits: { wallMs: number; idleMs: number }) {
    this.#abort = abort
    this.#idleMs = limits.idleMs
    this.#wallLeftMs = limits.wallMs
    this.#run()
  }

  /** The agent gave a sign of life. */
  touch(): void {
    this.#idle?.refresh()
  }

  /** A person is awaited. Each pause needs its own `resume`. */
  pause(): void {
    this.#pauses += 1
    if (this.#pauses > 1 || this.#cleared) return
    this.#wallLeftMs -= performance.now() - this.#wallSince
    this.#disarm()
  }

  resume(): void {
    this.#pauses -= 1
    if (this.#pauses === 0 && !this.#cleared) this.#run()
  }

  clear(): void {
    this.#cleared = true
    this.#disarm()
  }

  #run(): void {
    this.#wallSince = performance.now()
    this.#wall = setTimeout(() => this.#abort.abort('wall_timeout'), Math.max(this.#wallLeftMs, 0))
    this.#idle = setTimeout(() => this.#abort.abort('idle_timeout'), this.#idleMs)
  }

  #disarm(): void {
    if (this.#wall) clearTimeout(this.#wall)
    if (this.#idle) clearTimeout(this.#idle)
    this.#wall = null
    this.#idle = null
  }
}
