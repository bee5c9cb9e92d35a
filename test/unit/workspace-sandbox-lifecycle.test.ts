import { describe, expect, it } from 'vitest'
import { selectForGc } from '../../cmd/workspace-sandbox/gc.ts'
import { behaviorSchema, type Row } from '../../cmd/workspace-sandbox/row.ts'
import { segmentsOf } from '../../cmd/workspace-sandbox/sandbox-path.ts'
import { dueFor } from '../../cmd/workspace-sandbox/sweep.ts'

const NOW = Date.parse('2030-01-02T00:00:00Z')
const HOUR_NS = 3_600_000_000_000
const ago = (hours: number) => new Date(NOW - hours * 3_600_000).toISOString()

const rowOf = (fields: Partial<Row>, lifecycle: object = {}): Row => ({
  format: 1,
  id: '0c7d8f1e-0000-4000-8000-000000000000',
  status: 'stopped',
  projectRoot: '/p',
  realRoot: '/p',
  scopePath: '/p',
  reservedPaths: [],
  noLock: true,
  owner: '',
  ownerType: 'user',
  tags: [],
  metadata: {},
  behavior: behaviorSchema.parse({ lifecycle }),
  idempotencyKey: null,
  errorMessage: null,
  createdAt: ago(10),
  updatedAt: ago(10),
  lastUsedAt: ago(10),
  stoppedAt: null,
  approvedAt: null,
  deletedAt: null,
  driver: 'copy',
  driverVersion: '1.0',
  mergedDir: null,
  baseCommitHash: null,
  sizeBytes: 10,
  fileCount: 0,
  version: 1,
  baseTree: null,
  intent: null,
  ...fields,
})

describe('gc', () => {
  const NONE = { includeTerminal: false, terminalDelay: 0, statuses: [] }
  const reasons = (rows: Row[], policy: object) =>
    selectForGc(rows, { ...NONE, ...policy }, NOW).map((each) => `${each.row.status} ${each.reason}`)
  const one = (status: Row['status'], fields: Partial<Row> = {}) => rowOf({ status, ...fields })

  it('never takes a sandbox somebody works in, whatever is asked', () => {
    const rows = [one('active'), one('creating'), one('deleted'), one('stopped')]
    expect(reasons(rows, { maxAge: 1, statuses: ['active', 'creating', 'deleted', 'stopped'] })).toEqual([
      'stopped age',
    ])
  })

  it('takes nothing without a criterion, and those of the statuses named', () => {
    const rows = [one('stopped'), one('rejected'), one('error')]
    expect(reasons(rows, {})).toEqual([])
    expect(reasons(rows, { maxAge: 11 * HOUR_NS })).toEqual([])
    expect(reasons(rows, { maxAge: HOUR_NS, statuses: ['error'] })).toEqual(['error age'])
  })

  it('takes by any of idle time, end and total size, the oldest first', () => {
    const rows = [
      one('approved', { createdAt: ago(1) }),
      one('stopped', { createdAt: ago(3), lastUsedAt: ago(2) }),
    ]
    expect(reasons(rows, { idleTimeout: HOUR_NS * 3 })).toEqual(['approved idle'])
    expect(reasons(rows, { includeTerminal: true, terminalDelay: HOUR_NS })).toEqual(['approved terminal'])
    expect(reasons(rows, { maxTotalSizeBytes: 15 })).toEqual(['stopped total size'])
    expect(reasons(rows, { maxTotalSizeBytes: 5 })).toEqual(['stopped total size', 'approved total size'])
  })
})

describe('lifecycle', () => {
  it('stops an active sandbox that nobody used for the idle time, and no other', () => {
    const lifecycle = { idleTimeout: 2 * HOUR_NS }
    expect(dueFor(rowOf({ status: 'active', lastUsedAt: ago(2) }, lifecycle), NOW)).toBe('stop')
    expect(dueFor(rowOf({ status: 'active', lastUsedAt: ago(1) }, lifecycle), NOW)).toBeNull()
    expect(dueFor(rowOf({ status: 'active', lastUsedAt: ago(99) }), NOW)).toBeNull()
    expect(dueFor(rowOf({ status: 'stopped', lastUsedAt: ago(99) }, lifecycle), NOW)).toBeNull()
  })

  it('deletes after the time to live unless it is active, and at an end it was asked to', () => {
    const old = { ttl: HOUR_NS }
    expect(dueFor(rowOf({ status: 'stopped' }, old), NOW)).toBe('delete')
    expect(dueFor(rowOf({ status: 'active' }, old), NOW)).toBeNull()
    expect(dueFor(rowOf({ status: 'creating' }, old), NOW)).toBeNull()
    expect(dueFor(rowOf({ status: 'deleted' }, old), NOW)).toBeNull()
    expect(dueFor(rowOf({ status: 'stopped', createdAt: ago(0.5) }, old), NOW)).toBeNull()
    expect(dueFor(rowOf({ status: 'rejected' }, { deleteOn: ['rejected'] }), NOW)).toBe('delete')
    expect(dueFor(rowOf({ status: 'approved' }, { deleteOn: ['terminal'] }), NOW)).toBe('delete')
    expect(dueFor(rowOf({ status: 'stopped' }, { deleteOn: ['terminal'] }), NOW)).toBeNull()
  })
})

describe('paths in a sandbox', () => {
  it.each([
    ['/', []],
    ['', []],
    ['a/b', ['a', 'b']],
    ['//a//b/', ['a', 'b']],
    ['a/../b', ['b']],
    ['./..a', ['..a']],
  ])('%s', (path, expected) => {
    expect(segmentsOf(path)).toEqual(expected)
  })

  it.each(['..', '../x', 'a/../../x', '/../x', 'a\0b'])('refuses %j', (path) => {
    expect(() => segmentsOf(path)).toThrow(/path/)
  })
})
