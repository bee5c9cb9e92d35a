import { describe, expect, it } from 'vitest'
import { explain } from '../../internal/explain/explain.ts'
import type { ExplainFacts } from '../../internal/explain/facts.ts'
import { RUN_STATUSES, type RunStatus } from '../../internal/run/run.ts'
import { aFullRun, anInteraction, aRun, INTERACTION_ID, NOW, RUN_ID } from '../support/api-values.ts'

const facts = (status: RunStatus, change: Partial<ExplainFacts> = {}): ExplainFacts => ({
  run: aRun({ status }),
  now: NOW,
  queue: { ahead: 0, driven: 0 },
  replica: { places: 2, taken: 0, isClaiming: true },
  usualMs: null,
  lease: null,
  stop: null,
  interruptedBy: null,
  queuedInputs: 0,
  interactions: [],
  approval: null,
  sandbox: null,
  needs: [],
  ...change,
})
const later = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1000)
const LEASE = {
  owner: 'r1',
  host: 'h',
  expiresAt: later(30),
  heartbeatAt: later(-20),
  isOwnerGone: false,
}
const check = (given: ExplainFacts, name: string) => explain(given).checks.find((each) => each.name === name)

describe('the next step', () => {
  it.each(RUN_STATUSES)('is told of a run that is %s', (status) => {
    const { nextStep } = explain(facts(status))
    expect(nextStep).toMatch(/^[A-Z].{20,}\.$/)
  })

  it.each([
    ['it starts at once where there is room', {}, /starts in a moment/],
    ['it waits for a place', { queue: { ahead: 2, driven: 2 } }, /when a place is free/],
    ['the engine is stuck', { replica: { places: 2, taken: 0, isClaiming: false } }, /readyz/],
    [
      'its CLI is gone',
      { needs: [{ name: 'runner', ok: false, detail: 'no claude' }] },
      /mend runner \(no claude\)/,
    ],
    [
      'somebody is asked',
      { interactions: [anInteraction()] },
      new RegExp(`interactions/${INTERACTION_ID}/answer`),
    ],
  ])('of a run in the queue, when %s', (_, change, step) => {
    expect(explain(facts('pending', change)).nextStep).toMatch(step)
  })

  it.each([
    ['it works', { lease: LEASE }, /the agent works/],
    ['it is being stopped', { lease: LEASE, stop: { requestedAt: NOW, by: 'ann' } }, /being stopped/],
    ['its turn is being ended', { lease: LEASE, interruptedBy: 'ann' }, /being ended/],
    ['its lease is over', { lease: { ...LEASE, expiresAt: later(-1) } }, /takes it over/],
    ['its replica is gone', { lease: { ...LEASE, isOwnerGone: true } }, /takes it over/],
    [
      'somebody is asked',
      { lease: LEASE, interactions: [anInteraction(), anInteraction()] },
      /answer \(and 1 more\)/,
    ],
  ])('of a driven run, when %s', (_, change, step) => {
    expect(explain(facts('running', change)).nextStep).toMatch(step)
  })

  it.each([
    ['it waits for somebody', null, /GET .*\/diff.*POST .*\/approve.*POST .*\/reject.*POST .*\/continue/],
    ['the approval failed', 'failed', /Look at GET/],
    ['it is being approved', 'landed', /being carried out/],
  ])('of a run in review, when %s', (_, state, step) => {
    const approval = state === null ? null : { state, actor: 'ann', error: null, commitHash: null }
    expect(explain(facts('needs_review', { approval })).nextStep).toMatch(step)
  })

  it.each([
    ['fix_input', /Mend/],
    ['wait', /Wait/],
    ['retry_backoff', /later/],
    ['use_alternative', /another runner/],
    ['escalate', /operator/],
    ['none', /retry/],
  ] as const)('of a failed run follows its recovery %s', (recovery, step) => {
    const { failure } = aFullRun()
    const run = aRun({ status: 'failed', failure: failure && { ...failure, recovery } })
    const { nextStep, checks } = explain(facts('failed', { run }))
    expect(nextStep).toMatch(step)
    expect(checks).toContainEqual({
      name: 'failure',
      ok: false,
      detail: `rate_limited: rate limit reached (recovery: ${recovery})`,
    })
  })

  it.each(['none', 'approved', 'rejected', 'partially_approved'] as const)(
    'of a run decided %s',
    (approvalState) => {
      expect(
        explain(facts('complete', { run: aRun({ status: 'complete', approvalState }) })).nextStep,
      ).toMatch(/^Nothing to do/)
    },
  )
})

describe('the checks', () => {
  it('tell the place in the queue and how much room there is', () => {
    const waiting = facts('pending', {
      queue: { ahead: 3, driven: 7 },
      replica: { places: 2, taken: 2, isClaiming: true },
    })
    expect(check(waiting, 'queue')).toEqual({ name: 'queue', ok: false, detail: '3 before it' })
    expect(check(waiting, 'capacity')).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/2 of 2.*; 7 runs/),
    })
    expect(check(facts('pending'), 'queue')).toMatchObject({ ok: true })
    expect(explain(facts('complete')).checks).toEqual([])
  })

  it('tell who must answer what, until when, and no place in the queue to a parked run', () => {
    const parked = facts('pending', {
      run: aRun({ status: 'pending', pendingInteractions: 1 }),
      interactions: [anInteraction()],
    })
    expect(check(parked, 'interaction_permission')?.detail).toBe(
      `a person must answer ${INTERACTION_ID} until 2026-11-21T10:05:00.000Z (write: /p/x); then the default is taken`,
    )
    expect(check(parked, 'queue')).toBeUndefined()
  })

  it('tell of the replica that drives it', () => {
    expect(check(facts('running', { lease: LEASE }), 'lease')).toEqual({
      name: 'lease',
      ok: true,
      detail: 'replica r1 on h: last heard of 20s ago, the lease ends in 30s',
    })
    expect(check(facts('running', { lease: { ...LEASE, expiresAt: later(-1) } }), 'lease')?.ok).toBe(false)
    expect(
      check(facts('running', { lease: { ...LEASE, heartbeatAt: null, isOwnerGone: true } }), 'lease')?.ok,
    ).toBe(false)
  })

  it('tell what is under review, and how its approval goes', () => {
    const run = aFullRun()
    expect(check(facts('needs_review', { run }), 'changes')).toEqual({
      name: 'changes',
      ok: false,
      detail: '2 files, +3 -1, digest abc',
    })
    const approval = (state: string, error: string | null = null) =>
      check(
        facts('needs_review', { run, approval: { state, actor: 'ann', error, commitHash: null } }),
        'approval',
      )
    expect(approval('landed', 'sandbox away')?.detail).toMatch(
      /carried out \(landed\), held up: sandbox away/,
    )
    expect(approval('failed', 'conflict')).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/conflict/),
    })
    expect(approval('done')).toMatchObject({ ok: true })
  })

  it('tell what became of the sandbox', () => {
    const sandbox = (
      state: string | null,
      removedAt: Date | null = null,
      status: RunStatus = 'needs_review',
    ) => check(facts(status, { sandbox: { id: 's', removedAt, state } }), 'sandbox')?.ok
    expect(sandbox('stopped')).toBe(true)
    expect(sandbox('gone')).toBe(false)
    expect(sandbox('error')).toBe(false)
    expect(sandbox(null)).toBe(false)
    expect(sandbox(null, NOW)).toBe(false)
    expect(sandbox(null, NOW, 'complete')).toBe(true)
  })

  it('tell of a stop, of the end of a turn, and of what waits to be heard', () => {
    const busy = facts('running', {
      stop: { requestedAt: NOW, by: 'ann' },
      interruptedBy: 'bob',
      queuedInputs: 2,
    })
    expect(explain(busy).checks).toEqual([
      { name: 'stopping', ok: false, detail: 'ann stopped it at 2026-11-21T10:00:00.000Z' },
      { name: 'interrupting', ok: false, detail: 'bob wants its turn to end' },
      { name: 'inputs', ok: true, detail: '2 wait to be told' },
    ])
  })

  it('tell of at most ten questions', () => {
    const interactions = Array.from({ length: 30 }, () => anInteraction())
    expect(explain(facts('running', { interactions })).checks).toHaveLength(10)
  })
})

describe('the estimate', () => {
  const of = (change: Partial<ExplainFacts>) => explain(facts('pending', change)).estimate
  it('is a moment where there is room, and turns of others where there is none', () => {
    const full = { places: 2, taken: 2, isClaiming: true }
    expect(of({})).toBe('1s')
    expect(of({ replica: full })).toBeNull()
    expect(of({ replica: full, usualMs: 60_000 })).toBe('60s')
    expect(of({ replica: full, usualMs: 60_000, queue: { ahead: 2, driven: 2 } })).toBe('120s')
    expect(of({ replica: { ...full, isClaiming: false }, usualMs: 60_000 })).toBeNull()
  })

  it('is the deadline where a person is asked, and nothing where nobody can tell', () => {
    expect(of({ interactions: [anInteraction(), anInteraction({ deadlineAt: later(7.5) })] })).toBe('8s')
    expect(of({ interactions: [anInteraction({ deadlineAt: later(-9) })] })).toBe('0s')
    expect(explain(facts('running')).estimate).toBeNull()
  })

  it('belongs to the run that was asked for', () => {
    expect(explain(facts('pending'))).toMatchObject({ runId: RUN_ID, status: 'pending' })
  })
})
