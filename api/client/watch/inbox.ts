/** A bounded queue between a socket that pushes and a consumer that pulls. */

export class Inbox<T> {
  readonly #limit: number
  readonly #drained: () => void
  #items: T[] = []
  #waiting: ((item: T | null) => void) | null = null
  #isEnded = false
  #wasFull = false

  /**
   * @param limit items that may wait
   * @param drained called when half of it is free again after a push was refused
   */
  constructor(limit: number, drained: () => void) {
    this.#limit = limit
    this.#drained = drained
  }

  get isHalfFull(): boolean {
    return this.#items.length * 2 >= this.#limit
  }

  /** false: there is no room, and the item was not taken. */
  push(item: T): boolean {
    if (this.#isEnded) return false
    if (this.#waiting) {
      this.#waiting(item)
      this.#waiting = null
      return true
    }
    if (this.#items.length >= this.#limit) {
      this.#wasFull = true
      return false
    }
    this.#items.push(item)
    return true
  }

  /** The next item; null when there will be none any more. For one consumer. */
  take(): Promise<T | null> {
    const item = this.#items.shift()
    if (item === undefined) {
      if (this.#isEnded) return Promise.resolve(null)
      return new Promise((resolve) => {
        this.#waiting = resolve
      })
    }
    if (this.#wasFull && !this.isHalfFull) {
      this.#wasFull = false
      this.#drained()
    }
    return Promise.resolve(item)
  }

  /** What is in it can still be taken; nothing more is let in. */
  end(): void {
    this.#isEnded = true
    this.#waiting?.(null)
    this.#waiting = null
  }
}
