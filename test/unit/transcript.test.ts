import { describe, expect, it } from 'vitest'
import type { EventPayload, StoredEvent } from '../../internal/event/event.ts'
import { isOpen, transcriptOf } from '../../internal/transcript/transcript.ts'
import { anEvent } from '../support/api-values.ts'

const log = (...payloads: EventPayload[]): StoredEvent[] =>
  payloads.map((payload, index) => anEvent(index + 1, payload))
const told = (content: string, status = 'delivered', id = 'i1'): EventPayload => ({
  input: { input_id: id, status, delivery: 'queue', content, source: 'prompt' },
})
const said = (content: string): EventPayload => ({ message: { role: 'assistant', content } })
const call = (id: string, input: unknown = {}): EventPayload => ({
  tool_call: { tool_name: 'shell', input, tool_call_id: id },
})
const result = (id: string, output: string): EventPayload => ({
  tool_result: { tool_name: 'shell', tool_call_id: id, output, error: null, success: true },
})
const asked = (status: string, change: object = {}, id = 'q1'): EventPayload => ({
  interaction: {
    interaction_id: id,
    kind: 'permission',
    status,
    tool_name: 'write',
    decision: null,
    decided_by: null,
    reason: null,
    ...change,
  },
})

describe('the transcript', () => {
  it('has what was told, thought and said, in order, and nothing else', () => {
    const entries = transcriptOf(
      log(
        { status: { old_status: null, new_status: 'pending', reason: null } },
        told('do it'),
        { thinking: { text: 'hm' } },
        { log: { level: 'info', message: 'noise' } },
        said('done'),
      ),
    )
    expect(entries).toMatchObject([
      {
        sequence: 2,
        turn: 1,
        attempt: 1,
        kind: 'text',
        role: 'user',
        text: 'do it',
        input: { id: 'i1', source: 'prompt', delivery: 'queue' },
      },
      { sequence: 3, kind: 'thinking', text: 'hm' },
      { sequence: 5, kind: 'text', role: 'assistant', text: 'done', input: null },
    ])
  })

  it('pairs calls with their results, also where several run at once', () => {
    const [a, b] = transcriptOf(log(call('a'), call('b'), result('b', 'B'), result('a', 'A')))
    expect([a, b]).toMatchObject([
      { sequence: 1, toolCallId: 'a', result: { sequence: 4, output: 'A' } },
      { sequence: 2, toolCallId: 'b', result: { sequence: 3, output: 'B' } },
    ])
  })

  it('shows a call that is told of twice once, as it was told last', () => {
    const entries = transcriptOf(
      log(call('a', {}), call('a', { command: 'ls' }), result('a', 'x'), call('a', 1)),
    )
    expect(entries).toMatchObject([{ sequence: 1, input: 1, result: { output: 'x' } }])
  })

  it('does not mix up calls of other turns and attempts that bear the same id', () => {
    const [first, second, third] = log(call('a'), call('a'), result('a', 'x'))
    if (!first || !second || !third) throw new Error('three events')
    const entries = transcriptOf([first, { ...second, attempt: 2 }, { ...third, attempt: 2 }])
    expect(entries).toMatchObject([{ result: null }, { result: { output: 'x' } }])
    expect(entries.map(isOpen)).toEqual([true, false])
  })

  it('shows questions with their answers', () => {
    const entries = transcriptOf(
      log(
        asked('pending', { reason: '/p/x' }),
        asked('answered', { decision: 'allow', decided_by: 'ann', reason: 'go on' }),
        asked('pending', { reason: 'y' }, 'q2'),
        asked('expired', { decision: 'deny', reason: 'unattended' }, 'q3'),
      ),
    )
    expect(entries).toMatchObject([
      {
        interactionId: 'q1',
        asks: 'permission',
        toolName: 'write',
        detail: '/p/x',
        outcome: { sequence: 2, status: 'answered', decision: 'allow', decidedBy: 'ann', reason: 'go on' },
      },
      { interactionId: 'q2', outcome: null },
      { interactionId: 'q3', detail: null, outcome: { status: 'expired', decision: 'deny' } },
    ])
    expect(entries.map(isOpen)).toEqual([false, true, false])
  })

  it('leaves out what the agent never heard', () => {
    const entries = transcriptOf(
      log(told('no', 'cancelled'), told('put back'), told('put back', 'queued'), told('then told')),
    )
    expect(entries).toMatchObject([{ sequence: 4, text: 'then told' }])
  })

  it('skips the ends of what began before', () => {
    expect(transcriptOf(log(result('a', 'A'), asked('answered'), asked('expired')))).toEqual([])
  })
})
