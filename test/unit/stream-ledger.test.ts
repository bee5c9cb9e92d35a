/** The checker of test/streams finds what is planted. */
import { describe, expect, it } from 'vitest'
import type { Json } from '../support/client.ts'
import { Ledger, type RunLog, sumOf } from '../support/streams/ledger.ts'

const event = (sequence: number, text = 'x'): Json => ({
  sequence,
  event_type: 'LOG',
  log: { message: text },
})

const logOf = (count: number, more: Partial<RunLog> = {}): RunLog => ({
  events: Array.from({ length: count }, (_, index) => ({ sum: sumOf(event(index + 1)), type: 'LOG' })),
  createdAt: 10,
  writtenAt: 100,
  isWanted: () => true,
  ...more,
})

/** A reader that was subscribed from 1 at time 50 and got these. */
function verdict(seqs: readonly number[], log = logOf(5), from = 1) {
  const ledger = new Ledger({ kind: 'all' })
  ledger.subscribed([{ runId: 'r', from }], 50)
  for (const seq of seqs) ledger.event('r', event(seq), null)
  const logs = new Map([['r', log]])
  return { faults: ledger.violations(logs), isComplete: ledger.isComplete(logs) }
}

describe('the ledger of a reader', () => {
  it('finds nothing where everything came', () => {
    expect(verdict([1, 2, 3, 4, 5])).toEqual({ faults: [], isComplete: true })
    expect(verdict([4, 5], logOf(5), 4)).toEqual({ faults: [], isComplete: true })
  })

  it.each([
    ['a gap', [1, 2, 4, 5], 'run r: gap: 4 behind 2, 3 is missing'],
    ['a gap at the start', [2, 3, 4, 5], 'run r: gap: 2 behind 0, 1 is missing'],
    ['a repeat', [1, 2, 2, 3, 4, 5], 'run r: repeat or reorder: 2 behind 2'],
    ['a repeat at the end', [1, 2, 3, 4, 5, 5], 'run r: repeat: 5 behind 5'],
    ['a reorder', [1, 3, 2, 4, 5], 'run r: gap: 3 behind 1, 2 is missing'],
    ['a missing tail', [1, 2, 3], 'run r: ends behind 3, the log goes on to 5'],
  ])('finds %s', (_, seqs, fault) => {
    expect(verdict(seqs).faults).toEqual([fault])
  })

  it('finds an event that was changed', () => {
    const ledger = new Ledger({ kind: 'all' })
    ledger.subscribed([{ runId: 'r', from: 1 }], 50)
    ledger.event('r', event(1, 'y'), null)

    expect(ledger.violations(new Map([['r', logOf(1)]]))).toEqual([
      'run r: event 1 is not the one in the log',
    ])
  })

  it('finds a run that nobody told of, where it was written to', () => {
    const ledger = new Ledger({ kind: 'all' })
    ledger.subscribed([], 50)

    expect(ledger.violations(new Map([['r', logOf(1)]]))).toEqual(['run r: never told of'])
    expect(ledger.isComplete(new Map([['r', logOf(1)]]))).toBe(false)
    expect(ledger.violations(new Map([['r', logOf(1, { writtenAt: 40 })]]))).toEqual([])
  })

  it('finds a run that was not asked for, and one that is not there', () => {
    const ledger = new Ledger({ kind: 'task', taskId: 't' })
    ledger.subscribed([], 50)
    ledger.event('r', event(1), null)
    ledger.event('s', event(1), null)

    expect(ledger.violations(new Map([['r', logOf(1, { isWanted: () => false })]]))).toEqual([
      'run r: not asked for',
      'run s: not in the log',
    ])
  })

  it('finds a new run that does not start at 1; an old one may start anywhere', () => {
    const ledger = new Ledger({ kind: 'all' })
    ledger.subscribed([], 50)
    ledger.event('new', event(2), 60)
    ledger.event('old', event(2), 40)

    const logs = new Map([
      ['new', logOf(2)],
      ['old', logOf(2)],
    ])
    expect(ledger.violations(logs)).toEqual(['run new: gap: 2 behind 0, 1 is missing'])
  })

  it('finds a subscription that starts elsewhere than asked', () => {
    const ledger = new Ledger({ kind: 'all' })
    ledger.subscribed([{ runId: 'r', from: 1 }], 50)
    ledger.event('r', event(1), null)
    expect(ledger.cursors()).toEqual({ r: 1 })
    ledger.subscribed([{ runId: 'r', from: 4 }], 60)

    expect(ledger.violations(new Map([['r', logOf(1)]]))).toEqual(['run r: starts at 4 and not behind 1'])
  })

  it('expects a filtered reader to know a run where something it wants came', () => {
    const ledger = new Ledger({ kind: 'all' }, ['MESSAGE'])
    ledger.subscribed([], 5)
    expect(ledger.violations(new Map([['r', logOf(1)]]))).toEqual([])

    const events = [{ sum: 1, type: 'MESSAGE' }]
    expect(ledger.violations(new Map([['r', logOf(1, { events })]]))).toEqual(['run r: never told of'])
    expect(ledger.violations(new Map([['r', logOf(1, { events, createdAt: 4 })]]))).toEqual([])
  })

  it('holds a filtered reader against what it asked for', () => {
    const log = logOf(3)
    const events = log.events.map((each, index) => ({ ...each, type: index === 1 ? 'MESSAGE' : 'LOG' }))
    const ledger = new Ledger({ kind: 'run', runId: 'r' }, ['LOG'])
    ledger.subscribed([{ runId: 'r', from: 1 }], 50)
    ledger.event('r', event(1), null)
    const logs = new Map([['r', { ...log, events }]])
    expect(ledger.isComplete(logs)).toBe(false)
    ledger.event('r', event(3), null)

    expect(ledger.violations(logs)).toEqual([])
  })
})
