/**
 * A token bucket: so many at once, so many a second for long. On the monotonic clock: a window by the wall clock shuts
 * everybody out when that clock is set back.
 */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

export class Bucket {
  readonly #rate: Rate
  #tokens: number
  #at: number

  /** Full. @param now ms of a clock that never goes back */
  constructor(rate: Rate, now = performance.now()) {
    this.#rate = rate
    this.#tokens = rate.burst
    this.#at = now
  }

  /** Takes one. @returns 0, or the milliseconds until there is one; nothing is taken then */
  take(now = performance.now()): number {
    const { perSecond, burst } = this.#rate
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perSecond)
    this.#at = now
    if (this.#tokens < 1) return ((1 - this.#tokens) / perSecond) * 1000
    this.#tokens -= 1
    return 0
  }

  get perSecond(): number {
    return this.#rate.perSecond
  }

  get burst(): number {
    return this.#rate.burst
  }

  /** Whole tokens left at the last take. */
  get left(): number {
    return Math.floor(this.#tokens)
  }

  /** Seconds from the last take until it is full again. */
  get fullAfterSeconds(): number {
    return (this.#rate.burst - this.#tokens) / this.#rate.perSecond
  }
}

/** One bucket a key, the ones used longest ago forgotten first: those are the fullest. */
export class Buckets {
  readonly #rate: Rate
  readonly #maxKeys: number
  readonly #byKey = new Map<string, Bucket>()

  constructor(rate: Rate, maxKeys: number) {
    this.#rate = rate
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#byKey.size
  }

  of(key: string): Bucket {
    const bucket = this.#byKey.get(key) ?? new Bucket(this.#rate)
    this.#byKey.delete(key)
    this.#byKey.set(key, bucket)
    if (this.#byKey.size > this.#maxKeys) {
      const [oldest] = this.#byKey.keys()
      if (oldest !== undefined) this.#byKey.delete(oldest)
    }
    return bucket
  }
}
