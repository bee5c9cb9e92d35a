/** Two ways of doing the same thing, measured in turns. */
import type { Kysely } from 'kysely'
import type { Tables } from '../../internal/db/tables.ts'

export interface Measured {
  readonly value: number
  readonly unit: string
  readonly baseline: number
  /** What the baseline is. */
  readonly against: string
  readonly ratio: number
}

export type Benchmark = (db: Kysely<Tables>) => Promise<Measured>

const ROUNDS = 5

/**
 * Runs both in turns, A B A B …, after one round that does not count.
 * @returns the medians and the median of the ratios of the rounds
 */
export async function inTurns(ours: () => Promise<number>, theirs: () => Promise<number>) {
  await ours()
  await theirs()
  const rounds: { value: number; baseline: number }[] = []
  for (let round = 0; round < ROUNDS; round += 1)
    rounds.push({ value: await ours(), baseline: await theirs() })
  return {
    value: round3(median(rounds.map(({ value }) => value))),
    baseline: round3(median(rounds.map(({ baseline }) => baseline))),
    ratio: round3(median(rounds.map(({ value, baseline }) => value / baseline))),
  }
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

const round3 = (value: number): number => Number(value.toPrecision(3))
