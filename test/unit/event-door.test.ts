import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type EventPayload, isoTime, waitSeconds } from '../../internal/event/event.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { secretsOf } from '../../internal/event/service-secrets.ts'
import { MAX_DEPTH, MAX_PAYLOAD_BYTES, storableText, toStorable } from '../../internal/event/storable.ts'

const call = (input: unknown): EventPayload => ({ tool_call: { tool_name: 't', tool_call_id: 'c', input } })

describe('the door to the log', () => {
  test('lets any JSON through as bounded text that Postgres takes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), (input) => {
        const { payload } = toStorable({ payload: call(input) }, createRedactor())
        // One assertion a case: a matcher costs more than what it looks at.
        const isSound =
          !payload.includes('\0') &&
          !payload.includes('\\u0000') &&
          payload.isWellFormed() &&
          Buffer.byteLength(payload) <= MAX_PAYLOAD_BYTES &&
          Object.hasOwn(JSON.parse(payload), 'tool_call')
        if (!isSound) throw new Error(payload)
      }),
      { numRuns: 300 },
    )
  })

  test.each([[['a']], ['text'], [7], [null], [undefined]])(
    "keeps the input of a tool an object, as clients' schemas have it: %j",
    (input) => {
      const { payload } = toStorable({ payload: call(input) }, createRedactor())

      expect(JSON.parse(payload)).toMatchObject({ tool_call: { input: { value: input ?? null } } })
    },
  )

  test('bounds depth, size and number of members', () => {
    let deep: unknown = 'bottom'
    for (let level = 0; level < MAX_DEPTH * 4; level += 1) deep = [deep]
    const wide = Object.fromEntries(
      Array.from({ length: 5000 }, (_, index) => [`k${index}`, 'v'.repeat(200)]),
    )

    for (const input of [
      deep,
      wide,
      'x'.repeat(10_000_000),
      Array.from({ length: 900 }, () => 'y'.repeat(2000)),
    ]) {
      expect(
        Buffer.byteLength(toStorable({ payload: call(input) }, createRedactor()).payload),
      ).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES)
    }
  })

  test('keeps what needs no change byte for byte', () => {
    const payload: EventPayload = { message: { role: 'assistant', content: 'Grüße 👋 \n\t "quoted" \\ ' } }

    expect(toStorable({ payload }, createRedactor()).payload).toBe(JSON.stringify(payload))
  })
})

describe('known secrets', () => {
  test('never pass, in any of their common forms, wherever they stand', () => {
    const secret = fc.string({ minLength: 8, maxLength: 40, unit: 'grapheme-ascii' })
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), (value, before, after) => {
        const redactor = createRedactor()
        redactor.add(value)
        const base64 = Buffer.from(before + value + after).toString('base64')
        for (const text of [
          before + value + after,
          JSON.stringify({ a: before + value }),
          `?k=${encodeURIComponent(value)}`,
        ]) {
          expect(storableText(text, redactor)).not.toContain(value)
        }
        const core = Buffer.from(value).toString('base64').slice(0, -4)
        if (core.length >= 12)
          expect(Buffer.from(storableText(base64, redactor), 'base64').toString()).not.toContain(value)
      }),
      { numRuns: 300 },
    )
  })

  test('are found in the environment by name, in URLs and in inline settings', () => {
    expect(
      secretsOf({
        PATH: '/bin',
        ANTHROPIC_API_KEY: 'sk-ant-1234567890',
        DATABASE_URL: 'postgres://me:p%40ss-word-1@db/x',
        OPENCODE_CONFIG_CONTENT:
          '{"provider":{"x":{"options":{"apiKey":"inline-key-1","other":"{env:NAME}"}}}}',
      }),
    ).toEqual(['sk-ant-1234567890', 'p%40ss-word-1', 'p@ss-word-1', 'inline-key-1'])
  })

  test('of fewer than eight characters are refused, so that words stay whole', () => {
    expect(createRedactor().add('short')).toBe(false)
  })
})

test('waits are whole seconds of 32 bits, never too short', () => {
  expect(waitSeconds(1_001, 0)).toBe(2)
  expect(waitSeconds(0, 5_000)).toBe(0)
  expect(waitSeconds(Number.MAX_VALUE, 0)).toBe(366 * 24 * 60 * 60)
  expect([isoTime(0), isoTime(Number.MAX_VALUE)]).toEqual(['1970-01-01T00:00:00.000Z', null])
})
