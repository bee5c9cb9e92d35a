import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readLines } from '../../adapters/runners/claude-code/lines.ts'
import { mapLine } from '../../adapters/runners/claude-code/map-line.ts'
import {
  createTurnView,
  type Signal,
  type TurnView,
  unfinishedTools,
} from '../../adapters/runners/claude-code/view.ts'

const NOW_MS = Date.parse('2026-01-01T00:00:00Z')

const map = (value: object, view: TurnView = createTurnView(false)): Signal[] =>
  mapLine(view, JSON.stringify(value), false, NOW_MS)

const payloads = (signals: Signal[]): unknown[] =>
  signals.map((signal) => (signal.kind === 'event' ? signal.event.payload : signal.kind))

const assistant = (block: object, more: object = {}) => ({
  type: 'assistant',
  message: { id: 'msg_1', content: [block] },
  parent_tool_use_id: null,
  ...more,
})

const result = (block: object) => ({
  type: 'user',
  message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', ...block }] },
})

const BASH = { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'ls' } }

describe('blocks', () => {
  it('become messages, thoughts and calls', () => {
    const view = createTurnView(false)

    expect(payloads(map(assistant({ type: 'text', text: 'Hello' }), view))).toEqual([
      { message: { role: 'assistant', content: 'Hello' } },
    ])
    expect(payloads(map(assistant({ type: 'thinking', thinking: 'Hm', signature: 's' }), view))).toEqual([
      { thinking: { text: 'Hm' } },
    ])
    expect(payloads(map(assistant(BASH), view))).toEqual([
      { tool_call: { tool_name: 'shell', input: { command: 'ls' }, tool_call_id: 'toolu_1' } },
    ])
    expect([view.lastText, view.toolCalls]).toEqual(['Hello', 1])
  })

  it('of a sub-agent tell what it does and not what it says', () => {
    const child = { parent_tool_use_id: 'toolu_0' }

    expect(map(assistant({ type: 'text', text: 'to myself' }, child))).toEqual([])
    expect(payloads(map(assistant(BASH, child)))).toMatchObject([{ tool_call: { tool_name: 'shell' } }])
  })

  it('that the CLI made up for a failed call are no message of the agent', () => {
    const view = createTurnView(false)
    const line = assistant(
      { type: 'text', text: 'Invalid API key' },
      { is_api_error_message: true, error: 'authentication_failed', api_error_status: 401 },
    )

    expect(payloads(map(line, view))).toEqual([
      { log: { level: 'warn', message: 'the model call failed: Invalid API key' } },
    ])
    expect([view.apiError, view.lastText]).toEqual(['authentication_failed', ''])
  })
})

describe('results of tools', () => {
  it('name their tool, and say whether it worked', () => {
    const view = createTurnView(false)
    map(assistant(BASH), view)

    const content = [
      { type: 'text', text: 'one' },
      { type: 'image', source: {} },
    ]
    expect(payloads(map(result({ content }), view))).toEqual([
      {
        tool_result: {
          tool_name: 'shell',
          tool_call_id: 'toolu_1',
          output: 'one\n[image]',
          error: null,
          success: true,
        },
      },
    ])
    expect(unfinishedTools(view)).toEqual([])
  })

  it('that are errors say which', () => {
    const content = '<tool_use_error>No such file</tool_use_error>'

    expect(payloads(map(result({ content, is_error: true })))).toMatchObject([
      { tool_result: { tool_name: 'unknown', error: 'No such file', success: false } },
    ])
  })

  it('are made up for calls that the end cut off', () => {
    const view = createTurnView(false)
    map(assistant(BASH), view)

    expect(unfinishedTools(view)).toMatchObject([
      { payload: { tool_result: { tool_name: 'shell', success: false } }, synthetic: true },
    ])
    expect(unfinishedTools(view)).toEqual([])
  })

  it('are shortened when they are large', () => {
    const [signal] = payloads(map(result({ content: 'x'.repeat(300_000) })))

    expect(signal).toMatchObject({
      tool_result: { output: expect.stringMatching(/\[37856 more characters were left out\]$/) },
    })
  })
})

describe('what the CLI says of itself', () => {
  it('is told once when it begins, however often it begins', () => {
    const view = createTurnView(false)
    const init = { type: 'system', subtype: 'init', model: 'm', claude_code_version: '2.1.329' }

    expect(payloads(map(init, view))).toEqual([
      { log: { level: 'debug', message: 'claude-code 2.1.329 with the model m' } },
      'init',
    ])
    expect(payloads(map(init, view))).toEqual(['init'])
  })

  const retry = { type: 'system', subtype: 'api_retry', attempt: 1, max_retries: 3, retry_delay_ms: 1500 }

  it.each([
    [
      { ...retry, error_status: 429, error: 'rate_limit' },
      {
        rate_limit: {
          limit_type: 'provider',
          reset_time: '2026-01-01T00:00:01.500Z',
          retry_after: 2,
          message: 'the model call failed and is tried again (1 of 3): rate_limit (HTTP 429)',
        },
      },
    ],
    [
      { ...retry, error_status: null, error: 'unknown' },
      { log: { level: 'warn', message: 'the model call failed and is tried again (1 of 3): unknown' } },
    ],
    [
      { ...retry, retry_delay_ms: 1e300, error_status: 429 },
      { rate_limit: { reset_time: '2027-01-02T00:00:00.000Z' } },
    ],
    [
      {
        type: 'rate_limit_event',
        rate_limit_info: { status: 'rejected', resetsAt: NOW_MS / 1000 + 60, rateLimitType: 'five_hour' },
      },
      {
        rate_limit: {
          limit_type: 'five_hour',
          reset_time: '2026-01-01T00:01:00.000Z',
          retry_after: 60,
          message: 'the limit is reached',
        },
      },
    ],
    [
      { type: 'system', subtype: 'model_fallback', fallback_model: 'other' },
      { log: { level: 'warn', message: 'another model goes on: other' } },
    ],
    [
      { type: 'system', subtype: 'permission_denied', tool_name: 'Bash', message: 'no' },
      { log: { level: 'warn', message: 'Bash was not allowed: no' } },
    ],
  ])('is told: %j', (line, payload) => {
    expect(payloads(map(line))).toMatchObject([payload])
  })

  it.each([
    { type: 'system', subtype: 'status', status: 'requesting' },
    { type: 'system', subtype: 'thinking_tokens', estimated_tokens: 1 },
    { type: 'rate_limit_event', rate_limit_info: { status: 'allowed' } },
    { type: 'keep_alive' },
    { type: 'stream_event', event: { type: 'ping' } },
  ])('is passed over: %j', (line) => {
    expect(map(line)).toEqual([])
  })

  it.each([
    { type: 'of_tomorrow', value: 1 },
    { type: 'system', subtype: 'of_tomorrow' },
    { type: 'system', subtype: '__proto__' },
    { type: 'assistant', message: 'not what it was' },
    { type: 'result', is_error: 'perhaps' },
    assistant({ type: 'of_tomorrow' }),
  ])('that nobody knows is told with what it was: %j', (line) => {
    expect(map(line)).toMatchObject([
      { kind: 'event', event: { payload: { log: { level: 'debug' } }, raw: JSON.stringify(line) } },
    ])
  })
})

describe('lines that are none', () => {
  it.each(['{', 'null', '[]', '"text"', '{"type":1}', 'Warning: something', '\0', '{"type":"\ud800"}'])(
    'are told and do no harm: %j',
    (text) => {
      expect(mapLine(createTurnView(false), text, false, NOW_MS)).toMatchObject([
        { kind: 'event', event: { payload: { log: { level: 'debug' } } } },
      ])
    },
  )

  it('never stop the turn, whatever they hold', () => {
    const type = fc.constantFrom(
      'system',
      'assistant',
      'user',
      'stream_event',
      'result',
      'control_request',
      'control_response',
      'rate_limit_event',
      'command_lifecycle',
    )
    const subtype = fc.constantFrom('init', 'api_retry', 'permission_denied', 'success', 'toString')
    const known = fc.record({
      type,
      subtype,
      message: fc.oneof(fc.jsonValue(), fc.record({ id: fc.string(), content: fc.array(fc.jsonValue()) })),
      event: fc.jsonValue(),
      rate_limit_info: fc.record({ status: fc.string(), resetsAt: fc.double() }),
      retry_delay_ms: fc.double(),
      attempt: fc.integer(),
      error_status: fc.constantFrom(429, 500, null),
    })
    fc.assert(
      fc.property(fc.oneof(known, fc.jsonValue()), (value) => {
        const signals = mapLine(createTurnView(false), JSON.stringify(value) ?? '', false, NOW_MS)
        expect(Array.isArray(signals)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  it('are passed over when they are empty', () => {
    expect(mapLine(createTurnView(false), ' ', false, NOW_MS)).toEqual([])
  })

  it('of 100 MB become one event, and the line after it is read', async () => {
    const stream = Readable.from(
      (function* () {
        for (let piece = 0; piece < 100; piece += 1) yield Buffer.alloc(1024 * 1024, 'x')
        yield Buffer.from('\n{"type":"keep_alive"}\n')
      })(),
    )
    const lines: { text: string; truncated: boolean }[] = []
    for await (const line of readLines(stream, 8 * 1024 * 1024)) lines.push(line)

    expect(lines.map(({ truncated }) => truncated)).toEqual([true, false])
    const [signal, ...more] = mapLine(createTurnView(false), lines[0]!.text, lines[0]!.truncated, NOW_MS)
    expect(signal).toMatchObject({ kind: 'event', event: { payload: { log: { level: 'warn' } } } })
    expect(more).toEqual([])
    expect(lines[1]?.text).toBe('{"type":"keep_alive"}')
  })
})
