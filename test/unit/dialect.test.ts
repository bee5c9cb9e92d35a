import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { fromProto, protoName, RUN_STATUS, RUNNER_TYPE } from '../../api/dialect/enums.ts'
import { durationIn, requiredLongTextIn, textIn, wordIn } from '../../api/dialect/fields.ts'
import { parseJson } from '../../api/dialect/json-body.ts'
import { canonicalKeys } from '../../api/dialect/keys.ts'
import { decode } from '../../api/dialect/validate.ts'
import { AppError } from '../../internal/errors.ts'

const caught = (act: () => unknown): AppError => {
  try {
    act()
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const schema = z.strictObject({
  task_id: z.string().optional(),
  run_config: z.strictObject({ max_turns: z.int().optional() }).nullish(),
  list_items: z.array(z.strictObject({ old_path: z.string() })).optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  tool_input: z.unknown().optional(),
})

describe('member names', () => {
  it('are accepted in both spellings at every depth', () => {
    const body = { taskId: 'a', runConfig: { maxTurns: 2 }, listItems: [{ oldPath: 'x' }, { old_path: 'y' }] }

    expect(decode(schema, body, 'body')).toEqual({
      task_id: 'a',
      run_config: { max_turns: 2 },
      list_items: [{ old_path: 'x' }, { old_path: 'y' }],
    })
  })

  it('of open maps stay as they are', () => {
    const body = { metadata: { someKey: { innerKey: 1 }, other_key: 2 }, toolInput: [{ filePath: '/x' }] }

    expect(decode(schema, body, 'body')).toEqual({
      metadata: { someKey: { innerKey: 1 }, other_key: 2 },
      tool_input: [{ filePath: '/x' }],
    })
  })

  it('in two spellings with one value are one member', () => {
    expect(decode(schema, { task_id: 'a', taskId: 'a' }, 'body')).toEqual({ task_id: 'a' })
  })

  it('in two spellings with two values are a conflict that names them', () => {
    const error = caught(() => decode(schema, { task_id: 'a', taskId: 'b' }, 'body'))

    expect(error.code).toBe('VALIDATION_CONFLICT')
    expect(error.message).toContain('task_id and taskId')
    expect(error.faults).toEqual([
      { field: 'task_id', rule: 'conflict', message: 'differs from taskId; send one of the two' },
    ])
  })

  it('that are unknown are all named, with their path', () => {
    const error = caught(() =>
      decode(schema, { taskID: 1, runConfig: { turns: 1 }, listItems: [{ x: 1 }] }, 'body'),
    )

    expect(error.code).toBe('VALIDATION_UNKNOWN_FIELD')
    expect(error.faults.map(({ field }) => field)).toEqual(['taskID', 'runConfig.turns', 'listItems[0].x'])
  })

  it('in faults are spelled as the caller spelled them', () => {
    const error = caught(() => decode(schema, { runConfig: { maxTurns: 'x' }, list_items: [{}] }, 'body'))

    expect(error.code).toBe('VALIDATION_FIELD')
    expect(error.faults).toMatchObject([
      { field: 'runConfig.maxTurns', rule: 'type' },
      { field: 'list_items[0].old_path', rule: 'required' },
    ])
  })

  it('never reach a prototype', () => {
    const body: unknown = JSON.parse(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    )

    const error = caught(() => decode(schema, body, 'body'))

    expect(error.code).toBe('VALIDATION_UNKNOWN_FIELD')
    expect(error.faults.map(({ field }) => field)).toEqual(['__proto__', 'constructor'])
    expect({}).not.toHaveProperty('polluted')
  })

  it('of maps never reach a prototype either', () => {
    const body: unknown = JSON.parse('{"metadata":{"__proto__":{"polluted":1},"a":1}}')

    decode(schema, body, 'body')

    expect({}).not.toHaveProperty('polluted')
  })

  it('survive the walk whatever the value is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const { value: walked } = canonicalKeys(z.unknown(), value)
        expect(walked).toEqual(value)
      }),
    )
  })
})

describe('enums', () => {
  it.each([
    'RUNNER_TYPE_CLAUDE_CODE',
    'claude-code',
    'claude_code',
    'CLAUDE_CODE',
    'runner_type_claude_code',
  ])('take %s for claude-code', (name) => {
    expect(fromProto(RUNNER_TYPE, name)).toBe('claude-code')
  })

  it('go out by full name and come back', () => {
    expect(protoName(RUN_STATUS, 'needs_review')).toBe('RUN_STATUS_NEEDS_REVIEW')
    for (const value of RUN_STATUS.values)
      expect(fromProto(RUN_STATUS, protoName(RUN_STATUS, value))).toBe(value)
  })

  it('take UNSPECIFIED and the empty text for unset', () => {
    expect(fromProto(RUNNER_TYPE, 'RUNNER_TYPE_UNSPECIFIED')).toBeNull()
    expect(fromProto(RUNNER_TYPE, '')).toBeNull()
  })
})

describe('durations', () => {
  const body = z.strictObject({ timeout: durationIn(60_000, 86_400_000, 'How long.') })

  it.each([
    ['90s', 90_000],
    ['1800s', 1_800_000],
    ['1h30m', 5_400_000],
    ['61.5s', 61_500],
    [90, 90_000],
    [61.5, 61_500],
    [null, null],
  ])('read %j as %j ms', (timeout, ms) => {
    expect(decode(body, { timeout }, 'body')).toEqual({ timeout: ms })
  })

  it.each(['59s', '25h', 'soon', '-5m', 59, true, '90'])('refuse %j and say what is right', (timeout) => {
    const error = caught(() => decode(body, { timeout }, 'body'))

    expect(error.message).toMatch(/^timeout: must be a duration from "60s" to "86400s"/)
  })

  it('are unset where they are absent', () => {
    expect(decode(body, {}, 'body')).toEqual({ timeout: null })
  })
})

describe('bounds of every body', () => {
  const read = (value: unknown) => parseJson(Buffer.from(JSON.stringify(value)))
  const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)
  const members = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 0]))
  const items = (count: number) => Array.from({ length: count }, () => 0)

  it.each([
    ['32 levels', nested(32), nested(33)],
    ['1000 members', members(1000), members(1001)],
    ['10 000 items', items(10_001), items(10_002)],
  ])('allow %s and no more', (_, atLimit, above) => {
    expect(read(atLimit)).toEqual(atLimit)
    expect(caught(() => read(above)).code).toBe('VALIDATION_FORMAT')
  })

  it('do not count what stands in texts', () => {
    const text = `${'[{'.repeat(100)}${'":,\\'.repeat(5000)}`

    expect(read({ [text]: text })).toEqual({ [text]: text })
  })

  it('never refuse or change a small value', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text))
      }),
    )
  })

  it('do not trip over what is no JSON', () => {
    for (const text of ['"', '"\\', ']]]]', '{"a":', ':,']) {
      expect(caught(() => parseJson(Buffer.from(text))).code).toBe('VALIDATION_FORMAT')
    }
  })
})

describe('texts', () => {
  const open = z.strictObject({ metadata: z.unknown() })

  it('have no NUL, in values and in names', () => {
    for (const metadata of [{ a: ['x\u0000'] }, { 'a\u0000': 1 }]) {
      expect(caught(() => decode(open, { metadata }, 'body'))).toMatchObject({
        code: 'VALIDATION_FIELD',
        faults: [{ rule: 'nul' }],
      })
    }
  })

  it('have no half of a surrogate pair', () => {
    expect(caught(() => decode(open, { metadata: 'a\ud800' }, 'body'))).toMatchObject({
      faults: [{ field: 'metadata', rule: 'unicode' }],
    })
  })

  it('stand in an object', () => {
    expect(caught(() => decode(open, [1], 'body')).code).toBe('VALIDATION_FORMAT')
  })

  it('are unset where they are empty', () => {
    const body = z.strictObject({ tag: textIn(3, 'A tag.') })

    expect(
      [{ tag: '' }, { tag: null }, {}, { tag: 'abc' }].map((value) => decode(body, value, 'body').tag),
    ).toEqual([null, null, null, 'abc'])
    expect(caught(() => decode(body, { tag: 'abcd' }, 'body')).faults).toMatchObject([
      { field: 'tag', rule: 'max' },
    ])
  })

  it('that must be there are counted in bytes', () => {
    const body = z.strictObject({ message: requiredLongTextIn(3, 'A message.') })

    expect(decode(body, { message: 'aé' }, 'body')).toEqual({ message: 'aé' })
    for (const [message, rule] of [
      ['éé', 'max_bytes'],
      ['', 'min'],
      [undefined, 'required'],
    ]) {
      expect(caught(() => decode(body, { message }, 'body')).faults).toMatchObject([
        { field: 'message', rule },
      ])
    }
  })

  it('of a few words are one of them or unset', () => {
    const body = z.strictObject({ scope: wordIn(['once', 'session'], 'How long.') })

    expect(
      [{ scope: 'once' }, { scope: '' }, { scope: null }, {}].map(
        (value) => decode(body, value, 'body').scope,
      ),
    ).toEqual(['once', null, null, null])
    expect(caught(() => decode(body, { scope: 'Once' }, 'body'))).toMatchObject({
      message: 'scope: must be one of once, session.',
      faults: [{ field: 'scope', rule: 'enum' }],
    })
  })

  it('must be UTF-8', () => {
    expect(caught(() => parseJson(Buffer.from([0x22, 0xff, 0x22]))).code).toBe('VALIDATION_FORMAT')
    expect(parseJson(Buffer.from('{"a":"é"}'))).toEqual({ a: 'é' })
    expect(parseJson(Buffer.alloc(0))).toBeUndefined()
  })
})
