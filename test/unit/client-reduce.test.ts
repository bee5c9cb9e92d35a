import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_MESSAGES, NO_EVENTS, type RunState, reduceRun, type WireEvent } from '../../api/client/reduce.ts'
import { eventJson } from '../../api/event-json.ts'
import type { EventPayload } from '../../internal/event/event.ts'
import { anEvent } from '../support/api-values.ts'

/** As it is on the wire. */
const wire = (seq: number, payload: EventPayload): WireEvent => JSON.parse(eventJson(anEvent(seq, payload)))
const stateAfter = (payloads: readonly EventPayload[]): RunState =>
  payloads.map((payload, index) => wire(index + 1, payload)).reduce(reduceRun, NO_EVENTS)

const input = (id: string, status: string, content = 'do it'): EventPayload => ({
  input: { input_id: id, status, delivery: 'queue', content, source: 'prompt' },
})
const interaction = (id: string, status: string): EventPayload => ({
  interaction: {
    interaction_id: id,
    kind: 'permission',
    status,
    tool_name: 'write',
    decision: null,
    decided_by: null,
    reason: null,
  },
})
const cost = (tokens: number, usd: number | null): EventPayload => ({
  cost: {
    input_tokens: tokens,
    output_tokens: 2 * tokens,
    cache_creation_tokens: 1,
    cache_read_tokens: 0,
    total_cost_usd: usd,
    model: null,
    cost_source: usd === null ? 'unknown' : 'runner_reported',
  },
})
const status = (to: string, reason: string | null = null): EventPayload => ({
  status: { old_status: null, new_status: to, reason },
})
const said = (content: string): EventPayload => ({ message: { role: 'assistant', content } })

describe('the state of a run', () => {
  it('has status, phase, conversation, usage and the cursor', () => {
    const state = stateAfter([
      status('pending'),
      input('i1', 'delivered'),
      { progress: { phase: 'executing', percent_complete: 50, current_action: 'writes' } },
      said('done'),
      cost(10, null),
      cost(5, 0.25),
      { error: { code: 'x', message: 'y', retryable: false, recovery: null, details: null } },
      status('needs_review', 'changed'),
    ])

    expect(state).toMatchObject({
      lastSequence: 8,
      status: 'needs_review',
      statusReason: 'changed',
      phase: 'executing',
      progressPercent: 50,
      currentAction: 'writes',
      turn: 1,
      attempt: 1,
      messages: [
        { sequence: 2, role: 'user', content: 'do it', inputId: 'i1' },
        { sequence: 4, role: 'assistant', content: 'done', inputId: null },
      ],
      usage: { inputTokens: 15, outputTokens: 30, cacheCreationTokens: 2, totalCostUsd: 0.25 },
      lastError: { code: 'x' },
    })
  })

  it('shows what is open, until it is closed in any way', () => {
    const open = stateAfter([
      interaction('a', 'pending'),
      interaction('b', 'pending'),
      interaction('a', 'answered'),
    ])

    expect(open.pendingInteractions).toEqual([
      { id: 'b', kind: 'permission', toolName: 'write', sequence: 2 },
    ])
    expect(reduceRun(open, wire(4, interaction('b', 'expired'))).pendingInteractions).toEqual([])
  })

  it('has an input once, and none that was given back', () => {
    expect(stateAfter([input('a', 'queued'), input('a', 'delivered')]).messages).toHaveLength(1)
    expect(stateAfter([input('a', 'delivered'), input('a', 'queued')]).messages).toEqual([])
    expect(stateAfter([input('a', 'delivered'), input('a', 'delivered')]).messages).toHaveLength(1)
  })

  it('counts what it does not know', () => {
    const event = { ...wire(1, said('x')), message: undefined, hologram: { x: 1 } }

    expect(reduceRun(NO_EVENTS, JSON.parse(JSON.stringify(event)))).toMatchObject({
      lastSequence: 1,
      messages: [],
    })
  })

  it('keeps a bounded conversation', () => {
    const state = stateAfter(Array.from({ length: MAX_MESSAGES + 5 }, (_, index) => said(String(index))))

    expect(state.messages).toHaveLength(MAX_MESSAGES)
    expect(state.messages[0]?.content).toBe('5')
  })

  it('is the same however often and however cut the log is replayed', () => {
    const payload = fc.oneof(
      fc.constantFrom('pending', 'running', 'complete').map((to) => status(to)),
      fc.string().map(said),
      fc
        .tuple(fc.constantFrom('a', 'b'), fc.constantFrom('pending', 'answered'))
        .map((x) => interaction(...x)),
      fc.tuple(fc.constantFrom('i', 'j'), fc.constantFrom('delivered', 'queued')).map((x) => input(...x)),
      fc.nat(100).map((tokens) => cost(tokens, tokens / 64)),
    )
    const starts = fc.array(fc.nat(40), { maxLength: 6 })
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 40 }), starts, (payloads, from) => {
        const log = payloads.map((each, index) => wire(index + 1, each))
        // Each reconnect reads from somewhere it has been before to somewhere; the last one to the end.
        let state = NO_EVENTS
        for (const start of from) {
          const at = Math.min(start, state.lastSequence)
          state = log.slice(at, at + start).reduce(reduceRun, state)
        }
        state = log.slice(state.lastSequence).reduce(reduceRun, state)

        expect(state).toEqual(log.reduce(reduceRun, NO_EVENTS))
        expect(state.lastSequence).toBe(log.length)
      }),
    )
  })
})
