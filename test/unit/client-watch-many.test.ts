/** Where a watch over many runs stands, and what it has to read after it was away. */
import { describe, expect, test } from 'vitest'
import type { RunEvent } from '../../api/client/index.ts'
import { Positions } from '../../api/client/watch/positions.ts'

const event = (runId: string, sequence: number) => ({ run_id: runId, sequence }) as RunEvent

describe('positions in many runs', () => {
  test('the first subscription decides where the watch begins', () => {
    const positions = new Positions({ named: 3 })
    const holes = positions.attached([
      { runId: 'live', from: 8 },
      { runId: 'named', from: 4 },
    ])
    expect(holes).toEqual([])
    expect(positions.take(event('live', 8))).toBe('fresh')
    expect(positions.take(event('named', 4))).toBe('fresh')
    expect(positions.take(event('new', 1))).toBe('fresh')
    expect(positions.named()).toEqual({ live: 8, named: 4, new: 1 })
  })

  test('later ones leave holes: in runs that went on, and before those that began', () => {
    const positions = new Positions({})
    positions.attached([{ runId: 'a', from: 1 }])
    positions.take(event('a', 1))
    const holes = positions.attached([
      { runId: 'a', from: 5 },
      { runId: 'began', from: 3 },
      { runId: 'fresh', from: 1 },
    ])
    expect(holes).toEqual([
      { runId: 'a', after: 1, through: 4 },
      { runId: 'began', after: 0, through: 2 },
    ])
  })

  test('repeats and gaps are told apart, by run', () => {
    const positions = new Positions({})
    positions.attached([])
    expect([1, 2, 2, 1, 4, 3].map((sequence) => positions.take(event('a', sequence)))).toEqual([
      'fresh',
      'fresh',
      'repeat',
      'repeat',
      'gap',
      'fresh',
    ])
    expect(positions.take(event('b', 2))).toBe('gap')
  })

  test('only the newest runs are named, and only so many remembered', () => {
    const positions = new Positions({})
    positions.attached([])
    for (let run = 0; run < 10_001; run += 1) positions.take(event(`r${run}`, 1))
    const named = Object.keys(positions.named())
    expect(named.length).toBe(200)
    expect(named.at(-1)).toBe('r10000')
    expect(positions.knows('r0')).toBe(false)
    expect(positions.knows('r1')).toBe(true)
  })
})
