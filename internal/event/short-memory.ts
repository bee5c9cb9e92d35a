/** Answers to the last questions. Who asks what is being asked already waits for the same answer. */
export class ShortMemory<V> {
  readonly #answers = new Map<string, Promise<V>>()
  readonly #most: number

  /** @param most answers kept; the oldest go first */
  constructor(most: number) {
    this.#most = most
  }

  /** Failures are not remembered. */
  get(key: string, ask: () => Promise<V>): Promise<V> {
    const known = this.#answers.get(key)
    if (known) return known
    const answer = ask().catch((error: unknown) => {
      if (this.#answers.get(key) === answer) this.#answers.delete(key)
      throw error
    })
    this.#answers.set(key, answer)
    const [oldest] = this.#answers.keys()
    if (this.#answers.size > this.#most && oldest !== undefined) this.#answers.delete(oldest)
    return answer
  }
}
