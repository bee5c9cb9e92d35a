import { describe, expect, it } from 'vitest'
import {
  createTurnView,
  mapEvent,
  type Signal,
  type TurnView,
  unfinishedTools,
} from '../../adapters/runners/opencode/map-event.ts'
import { eventSchema } from '../../adapters/runners/opencode/wire.ts'

const SESSION = 'ses_1'
const STARTED = 1_000

const send = (view: TurnView, type: string, properties: object): Signal[] => {
  const raw = JSON.stringify({ id: 'evt_1', type, properties: { sessionID: SESSION, ...properties } })
  return mapEvent(view, eventSchema.parse(JSON.parse(raw)), raw, 4_000)
}

const payloads = (signals: Signal[]): unknown[] =>
  signals.flatMap((signal) => (signal.kind === 'event' ? [signal.event.payload] : []))

const message = (view: TurnView, more: object = {}): Signal[] =>
  send(view, 'message.updated', {
    info: {
      id: 'msg_1',
      sessionID: SESSION,
      role: 'assistant',
      providerID: 'p',
      modelID: 'm',
      time: { created: STARTED + 1 },
      ...more,
    },
  })

const part = (view: TurnView, more: object): Signal[] =>
  send(view, 'message.part.updated', {
    part: { id: 'prt_1', messageID: 'msg_1', sessionID: SESSION, ...more },
  })

const tool = (view: TurnView, status: string, more: object = {}, name = 'bash'): Signal[] =>
  part(view, {
    type: 'tool',
    tool: name,
    callID: 'call_1',
    state: { status, input: { command: 'ls' }, ...more },
  })

const opened = (): TurnView => {
  const view = createTurnView(SESSION, STARTED)
  message(view)
  return view
}

describe('mapEvent', () => {
  it('tells a text once, when it is complete, with what the CLI sent', () => {
    const view = opened()

    expect(part(view, { type: 'text', text: '', time: { start: 1 } })).toEqual([])
    const signals = part(view, { type: 'text', text: 'Hello', time: { start: 1, end: 2 } })
    expect(payloads(signals)).toEqual([{ message: { role: 'assistant', content: 'Hello' } }])
    expect(signals[0]).toMatchObject({ event: { raw: expect.stringContaining('evt_1') } })
    expect(part(view, { type: 'text', text: 'Hello', time: { start: 1, end: 2 } })).toEqual([])
    expect(view.lastText).toBe('Hello')
  })

  it('does not repeat what the user said', () => {
    const view = createTurnView(SESSION, STARTED)
    message(view, { role: 'user' })

    expect(part(view, { type: 'text', text: 'Do it', time: { start: 1, end: 1 } })).toEqual([])
  })

  it('does not tell of earlier turns', () => {
    const view = createTurnView(SESSION, STARTED)
    message(view, { time: { created: STARTED - 1 } })

    expect(part(view, { type: 'text', text: 'old', time: { start: 1, end: 1 } })).toEqual([])
  })

  it('passes deltas by the kind of their part', () => {
    const view = opened()
    part(view, { type: 'reasoning', text: '', time: { start: 1 } })

    const delta = { messageID: 'msg_1', partID: 'prt_1', field: 'text', delta: 'hm' }
    expect(send(view, 'message.part.delta', delta)).toEqual([
      { kind: 'delta', delta: { messageId: 'msg_1', kind: 'thinking', text: 'hm' } },
    ])
    expect(send(view, 'message.part.delta', { ...delta, partID: 'unknown' })).toEqual([])
    expect(send(view, 'message.part.delta', { ...delta, sessionID: 'ses_other' })).toEqual([])
  })

  it('tells a call when it runs and its result once', () => {
    const view = opened()

    expect(tool(view, 'pending')).toEqual([])
    expect(payloads(tool(view, 'running'))).toEqual([
      { tool_call: { tool_name: 'shell', input: { command: 'ls' }, tool_call_id: 'call_1' } },
    ])
    expect(tool(view, 'running', { metadata: { output: 'live' } })).toEqual([])
    expect(payloads(tool(view, 'completed', { output: 'done', metadata: { exit: 0 } }))).toEqual([
      {
        tool_result: {
          tool_name: 'shell',
          tool_call_id: 'call_1',
          output: 'done',
          error: null,
          success: true,
        },
      },
    ])
    expect(tool(view, 'completed', { output: 'done' })).toEqual([])
    expect(unfinishedTools(view)).toEqual([])
  })

  it('tells the call of a tool that failed before it ran', () => {
    const signals = tool(opened(), 'error', { error: 'bad arguments' }, 'grep')

    expect(payloads(signals)).toMatchObject([
      { tool_call: { tool_name: 'search' } },
      { tool_result: { success: false, error: 'bad arguments', output: '' } },
    ])
  })

  it('calls a command with another exit code than 0 a failure', () => {
    const signals = tool(opened(), 'completed', { output: 'out', metadata: { exit: 3 } })

    expect(payloads(signals)).toMatchObject([
      {},
      { tool_result: { output: 'out', success: false, error: 'the command ended with exit code 3' } },
    ])
  })

  it('shortens an output that is too long', () => {
    const signals = tool(opened(), 'completed', { output: 'x'.repeat(300_000) })

    const [, result] = payloads(signals) as [unknown, { tool_result: { output: string } }]
    expect(result.tool_result.output.length).toBeLessThan(263_000)
    expect(result.tool_result.output).toMatch(/37856 more characters were left out/)
  })

  it('closes what the end of the turn cut off', () => {
    const view = opened()
    tool(view, 'running')

    expect(unfinishedTools(view)).toMatchObject([
      { synthetic: true, payload: { tool_result: { tool_call_id: 'call_1', success: false } } },
    ])
    expect(unfinishedTools(view)).toEqual([])
  })

  it('sums the cost of model calls, thinking counted as output', () => {
    const view = opened()
    const tokens = { input: 600, output: 15, reasoning: 5, cache: { read: 400, write: 7 } }
    part(view, { id: 'prt_0', type: 'step-start' })

    const first = part(view, { type: 'step-finish', reason: 'stop', tokens, cost: 0.5 })
    part(view, { type: 'step-finish', reason: 'stop', tokens, cost: 0.5 })
    part(view, { id: 'prt_2', type: 'step-finish', reason: 'length', tokens, cost: 0.25 })

    expect(payloads(first)).toEqual([
      {
        cost: {
          input_tokens: 600,
          output_tokens: 20,
          cache_creation_tokens: 7,
          cache_read_tokens: 400,
          total_cost_usd: 0.5,
          model: 'p/m',
          cost_source: 'runner_reported',
        },
      },
    ])
    expect(view).toMatchObject({
      modelCalls: 1,
      usage: {
        inputTokens: 1200,
        outputTokens: 40,
        cacheReadTokens: 800,
        cacheCreationTokens: 14,
        totalCostUsd: 0.75,
      },
    })
  })

  it('counts the cost and tells the tools of a sub-agent, but not its words', () => {
    const view = opened()
    send(view, 'session.created', { sessionID: 'ses_2', info: { id: 'ses_2', parentID: SESSION } })
    send(view, 'session.created', { sessionID: 'ses_9', info: { id: 'ses_9', parentID: 'ses_8' } })
    message(view, { id: 'msg_2', sessionID: 'ses_2' })
    const ofChild = { messageID: 'msg_2', sessionID: 'ses_2' }

    expect(part(view, { ...ofChild, type: 'text', text: 'inner', time: { end: 1 } })).toEqual([])
    const call = {
      id: 'prt_5',
      type: 'tool',
      tool: 'read',
      callID: 'c',
      state: { status: 'running', input: {} },
    }
    expect(payloads(part(view, { ...ofChild, ...call }))).toMatchObject([
      { tool_call: { tool_name: 'read' } },
    ])
    expect(view.children).toEqual(new Set(['ses_2']))
    expect(send(view, 'session.idle', { sessionID: 'ses_2' })).toEqual([])
  })

  it('tells retries as a limit or as a fault, by what they say', () => {
    const view = opened()
    const retry = (text: string) =>
      send(view, 'session.status', { status: { type: 'retry', attempt: 2, message: text, next: 5_000 } })

    expect(retry('Rate limit reached')).toMatchObject([
      { kind: 'busy' },
      { event: { payload: { rate_limit: { message: 'Rate limit reached', retry_after: 1 } } } },
      { kind: 'retry', attempt: 2 },
    ])
    expect(payloads(retry('server blew up'))).toMatchObject([{ log: { level: 'warn' } }])
  })

  it('remembers the error of the session, but not an abort', () => {
    const view = opened()
    send(view, 'session.error', { error: { name: 'MessageAbortedError', data: { message: 'Aborted' } } })
    expect(view.failure).toBeNull()

    send(view, 'session.error', { error: { name: 'APIError', data: { message: 'no', statusCode: 401 } } })
    expect(view.failure).toMatchObject({ code: 'provider_auth' })
  })

  it('takes back the overflow of a message when a later one is finished', () => {
    const view = opened()
    message(view, { error: { name: 'ContextOverflowError', data: { message: 'too long' } } })
    expect(view.failure).toMatchObject({ code: 'context_overflow' })

    message(view, { id: 'msg_2', finish: 'stop' })
    expect(view.failure).toBeNull()
  })

  it('hands on each permission and question once', () => {
    const view = opened()
    const permission = { id: 'per_1', permission: 'bash', patterns: ['ls'], metadata: { command: 'ls' } }
    const question = { id: 'que_1', questions: [{ question: 'Which?' }] }

    expect(send(view, 'permission.asked', permission)).toMatchObject([{ kind: 'permission' }])
    expect(send(view, 'permission.asked', permission)).toEqual([])
    expect(send(view, 'question.asked', question)).toMatchObject([{ kind: 'question' }])
  })

  it('lets unknown and malformed events pass', () => {
    const view = opened()

    for (const type of [
      'plugin.added',
      'message.updated',
      'message.part.updated',
      'permission.asked',
      'session.status',
    ])
      expect(send(view, type, { info: 3, part: null, status: 'x' })).toEqual([])
  })
})
