/** One at a time per name: operations on a sandbox, creates with one key, landings in the project. */
export interface Serial {
  run<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Settles when nothing runs or waits. */
  idle(): Promise<void>
}

export function createSerial(): Serial {
  const tails = new Map<string, Promise<unknown>>()
  return {
    run: <T>(name: string, work: () => Promise<T>): Promise<T> => {
      const before = tails.get(name) ?? Promise.resolve()
      const result = before.then(work)
      // The next in line only waits; the failure belongs to the caller of `run`.
      const tail = result
        .catch(() => {})
        .then(() => {
          if (tails.get(name) === tail) tails.delete(name)
        })
      tails.set(name, tail)
      return result
    },
    idle: async () => {
      while (tails.size > 0) await Promise.all(tails.values())
    },
  }
}
