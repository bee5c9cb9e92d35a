/**
 * Renews the leases of everything this replica drives, in one statement per beat. Trust is measured from the
 * beat's start on the monotonic clock, so a slow success cannot stretch it, and it ends well before the lease
 * does: whoever may claim next finds our agents dead.
 */
import type { Kysely } from 'kysely'
import type { Tables } from '../db/tables.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type RenewedLease, renewLeases } from '../run/run-queue.ts'
import type { RunAbort } from './abort.ts'

/** The part of a lease that its holder relies on; the rest is for ending agents. */
const TRUST = 0.75

export interface Held {
  readonly attempt: number
  readonly abort: RunAbort
}

export class LeaseKeeper {
  readonly #deps: { db: Kysely<Tables>; log: Logger; replicaId: string; ttlMs: number }
  readonly #held = new Map<string, Held>()
  #trustedUntil = 0
  #timer: NodeJS.Timeout | null = null
  #trustTimer: NodeJS.Timeout | null = null
  #beating = false

  constructor(deps: { db: Kysely<Tables>; log: Logger; replicaId: string; ttlMs: number }) {
    this.#deps = deps
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#beat(), this.#deps.ttlMs / 6)
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer)
    if (this.#trustTimer) clearTimeout(this.#trustTimer)
    this.#timer = null
  }

  /** A run was just claimed; `claimedAt` is the monotonic time before the claim was sent. */
  hold(runId: string, held: Held, claimedAt: number): void {
    if (this.#held.size === 0) this.#trustFrom(claimedAt)
    this.#held.set(runId, held)
  }

  release(runId: string): void {
    this.#held.delete(runId)
  }

  isTrusted(): boolean {
    return performance.now() < this.#trustedUntil
  }

  /** Trust ends at its time, not at the next beat: the agents must be gone before the lease is. */
  #trustFrom(startedAt: number): void {
    this.#trustedUntil = startedAt + this.#deps.ttlMs * TRUST
    if (this.#trustTimer) clearTimeout(this.#trustTimer)
    this.#trustTimer = setTimeout(() => this.#loseAll(), this.#trustedUntil - performance.now())
  }

  async #beat(): Promise<void> {
    if (this.#beating || this.#held.size === 0) return
    this.#beating = true
    const startedAt = performance.now()
    const asked = new Map(this.#held)
    try {
      const renewed = await renewLeases(this.#deps.db, { ...this.#deps, ids: [...asked.keys()] })
      this.#trustFrom(startedAt)
      this.#judge(asked, renewed)
    } catch (error) {
      this.#deps.log.warn({ error: messageOf(error) }, 'heartbeat failed') // the next beat tries again
    } finally {
      this.#beating = false
    }
  }

  #judge(asked: ReadonlyMap<string, Held>, renewed: readonly RenewedLease[]): void {
    const mine = new Map(renewed.map((row) => [row.id, row]))
    for (const [id, held] of asked) {
      if (this.#held.get(id) !== held) continue // ended meanwhile
      const row = mine.get(id)
      if (row?.attempt !== held.attempt) held.abort.abort('lost')
      else if (row.stopRequested) held.abort.abort('stop')
      else if (row.interruptRequested) held.abort.abort('interrupt')
    }
  }

  #loseAll(): void {
    if (this.#held.size === 0) return
    this.#deps.log.error({ runs: this.#held.size }, 'leases no longer trusted')
    for (const held of this.#held.values()) held.abort.abort('lost')
  }
}
