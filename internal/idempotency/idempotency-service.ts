/** Use case: carry a keyed request out once, and answer its repeats. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { v7 as uuid } from 'uuid'
import type { Tables } from '../db/tables.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type KeptAnswer, type KeyedRequest, MAX_KEPT_BODY_BYTES, type Reservation } from './idempotency.ts'
import {
  findRecord,
  freeKey,
  keepAnswer,
  lapse,
  mayTake,
  removeExpired,
  renew,
  reserve,
} from './idempotency-store.ts'

export interface IdempotencyDeps {
  readonly db: Kysely<Tables>
  readonly log: Logger
  readonly replicaId: string
  /** How long a repeat waits for the first answer, ms. */
  readonly waitMs?: number
  readonly leaseMs?: number
}

export type Begun =
  | { readonly kind: 'first'; readonly reservation: Reservation }
  | { readonly kind: 'repeat'; readonly answer: KeptAnswer }

const WAIT_MS = 10_000
/** After a crash, so long nobody else carries the request out; a proven death on this machine ends it at once. */
const LEASE_MS = 30_000
/** How often a repeat looks for an answer that another replica is working on. */
const LOOK_MS = 250
/** Repeats of one replica that wait for an answer; more are told to come again. */
export const MAX_WAITING = 1000
const SWEEP_MS = 10 * 60_000
const SWEEP_BATCH = 1000
const SWEEP_BATCHES = 100

export class Idempotency {
  readonly #deps: IdempotencyDeps
  readonly #waitMs: number
  readonly #leaseMs: number
  /** What this replica is carrying out, by reservation; resolved when it is over. */
  readonly #running = new Map<string, PromiseWithResolvers<void>>()
  #waiting = 0
  #timers: NodeJS.Timeout[] = []
  #sweeping: Promise<void> | null = null

  constructor(deps: IdempotencyDeps) {
    this.#deps = deps
    this.#waitMs = deps.waitMs ?? WAIT_MS
    this.#leaseMs = deps.leaseMs ?? LEASE_MS
  }

  /** Renews leases and removes what is over. */
  start(): void {
    if (this.#timers.length > 0) return
    this.#timers = [
      setInterval(() => void this.renewLeases(), this.#leaseMs / 3),
      setInterval(() => void this.sweep(), SWEEP_MS),
    ]
    for (const timer of this.#timers) timer.unref()
    void this.sweep()
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer)
    await this.#sweeping
  }

  /**
   * Whether the request is the first of its key, or what the first one was answered. Waits while the first is being
   * carried out.
   * @throws IDEMPOTENCY_MISMATCH where the key was used for another request; STATE_IDEMPOTENCY_IN_FLIGHT after
   * waiting in vain
   */
  async begin(request: KeyedRequest): Promise<Begun> {
    const { db } = this.#deps
    const until = performance.now() + this.#waitMs
    for (;;) {
      const record = await findRecord(db, request)
      if (!record || mayTake(record, request.digest)) {
        const reservation = await this.#reserve(request)
        if (reservation) return { kind: 'first', reservation }
        continue // somebody was faster, and has an answer or works on it
      }
      if (record.digest !== request.digest) {
        throw new AppError(
          'IDEMPOTENCY_MISMATCH',
          'Idempotency-Key was used for another request: use a new key.',
        )
      }
      if (record.answer) return { kind: 'repeat', answer: record.answer }
      const left = until - performance.now()
      if (left <= 0 || this.#waiting >= MAX_WAITING) {
        throw new AppError(
          'STATE_IDEMPOTENCY_IN_FLIGHT',
          'The first request with this Idempotency-Key is still being carried out. Try again.',
        )
      }
      await this.#wait(record.reservation, left)
    }
  }

  async #reserve(request: KeyedRequest): Promise<Reservation | null> {
    const { db, replicaId } = this.#deps
    const reservation = uuid()
    const by = { reservation, subjectId: uuid(), replicaId, leaseMs: this.#leaseMs }
    // Known before it is written: who reads it there finds it here.
    this.#running.set(reservation, Promise.withResolvers())
    const taken = await reserve(db, request, by).catch((error: unknown) => {
      this.#over(reservation)
      throw error
    })
    if (!taken) {
      this.#over(reservation)
      return null
    }
    const held = { request, reservation }
    return {
      subjectId: taken.subjectId,
      keep: (answer) =>
        this.#end(reservation, () =>
          Buffer.byteLength(answer.body) > MAX_KEPT_BODY_BYTES
            ? lapse(db, held)
            : keepAnswer(db, held, answer),
        ),
      free: () => this.#end(reservation, () => freeKey(db, held)),
    }
  }

  /** What was done is done, also where it cannot be written down: then the lease runs out. */
  async #end(reservation: string, write: () => Promise<unknown>): Promise<void> {
    try {
      await write()
    } catch (error) {
      this.#deps.log.warn({ error: messageOf(error) }, 'answer for repeats not kept')
    } finally {
      this.#over(reservation)
    }
  }

  #over(reservation: string): void {
    this.#running.get(reservation)?.resolve()
    this.#running.delete(reservation)
  }

  /** Until the request is over where it is carried out here; else for a moment, to look again. */
  async #wait(reservation: string, leftMs: number): Promise<void> {
    this.#waiting += 1
    const stop = new AbortController()
    const here = this.#running.get(reservation)?.promise
    // A lease that ends is noticed by looking, also of a request that is carried out here. Ending it early is no fault.
    const pause = Math.min(leftMs, here ? this.#leaseMs : LOOK_MS)
    const look = delay(pause, undefined, { signal: stop.signal }).catch(() => undefined)
    try {
      await (here ? Promise.race([here, look]) : look)
    } finally {
      stop.abort()
      this.#waiting -= 1
    }
  }

  /** Public for tests: a round of what `start` repeats. */
  async renewLeases(): Promise<void> {
    if (this.#running.size === 0) return
    try {
      await renew(this.#deps.db, [...this.#running.keys()], this.#leaseMs)
    } catch (error) {
      this.#deps.log.warn({ error: messageOf(error) }, 'leases of keyed requests not renewed')
    }
  }

  /** Removes records whose time is over, in batches. Public for tests. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep()
      .catch((error: unknown) => {
        this.#deps.log.warn({ error: messageOf(error) }, 'sweep of kept answers put off')
      })
      .finally(() => {
        this.#sweeping = null
      })
    return this.#sweeping
  }

  async #sweep(): Promise<void> {
    for (let batch = 0; batch < SWEEP_BATCHES; batch += 1) {
      if ((await removeExpired(this.#deps.db, SWEEP_BATCH)) < SWEEP_BATCH) return
    }
  }
}
