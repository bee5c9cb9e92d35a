/** A metrics port that remembers what it was told. */
import type { Metrics } from '../../internal/metrics.ts'

export interface Counted extends Metrics {
  /** `name{label="value",…}` -> the sum of what was counted, moved or observed. */
  readonly sums: Map<string, number>
  /** The series of a name. */
  of(name: string): string[]
}

export function counted(): Counted {
  const sums = new Map<string, number>()
  const add = (name: string, labels: object, by: number) => {
    const key = `${name}{${Object.entries(labels)
      .map(([label, value]) => `${label}="${value}"`)
      .join(',')}}`
    sums.set(key, (sums.get(key) ?? 0) + by)
  }
  return {
    sums,
    of: (name) => [...sums.keys()].filter((key) => key.startsWith(`${name}{`)),
    count: (name, labels, by = 1) => add(name, labels, by),
    observe: (name, labels, seconds) => add(name, labels, seconds),
    move: (name, by) => add(name, {}, by),
  }
}
