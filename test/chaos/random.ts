/** A seeded source of chance (mulberry32): one seed, one order of events to be injected. */
export interface Random {
  /** From 0 to below 1. */
  next(): number
  /** From `low` to below `high`. */
  between(low: number, high: number): number
  pick<T>(of: readonly T[]): T
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    pick: (of) => {
      const one = of[Math.floor(next() * of.length)]
      if (one === undefined) throw new Error('nothing to pick from')
      return one
    },
  }
}
