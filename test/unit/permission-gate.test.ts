import { describe, expect, test } from 'vitest'
import { type GateFacts, judge } from '../../internal/engine/permission-gate.ts'
import { coversTool } from '../../internal/runner/tools.ts'

const config = {
  permissionMode: 'auto',
  allowedTools: [],
  deniedTools: [],
  allowedPaths: [],
  deniedPaths: [],
} as const
const facts = (rules: Partial<GateFacts['config']>, contained = true): GateFacts => ({
  config: { ...config, ...rules },
  contained,
  root: '/work',
})
const asked = (toolName: string, reach: 'inside' | 'outside' = 'inside', path: string | null = null) => ({
  toolName,
  reach,
  path,
})

describe('the permission mode', () => {
  test.each([
    ['bypass', 'shell', 'outside', true, 'allow'],
    ['auto', 'write', 'inside', true, 'allow'],
    ['auto', 'shell', 'inside', true, 'allow'],
    ['auto', 'shell', 'inside', false, 'ask'],
    ['auto', 'write', 'outside', true, 'ask'],
    ['auto', 'read', 'outside', true, 'ask'],
    ['auto', 'mcp:things:add', 'inside', true, 'allow'],
    ['ask', 'write', 'inside', true, 'ask'],
    ['ask', 'shell', 'inside', true, 'ask'],
    ['ask', 'web_fetch', 'inside', true, 'ask'],
    ['ask', 'read', 'inside', true, 'allow'],
    ['ask', 'read', 'outside', true, 'ask'],
    ['ask', 'task', 'inside', true, 'allow'],
    ['read_only', 'read', 'inside', true, 'allow'],
    ['read_only', 'write', 'inside', true, 'deny'],
    ['read_only', 'shell', 'inside', true, 'deny'],
    ['read_only', 'read', 'outside', true, 'deny'],
  ] as const)('%s %s %s, contained %s: %s', (permissionMode, tool, reach, contained, kind) => {
    expect(judge(facts({ permissionMode }, contained), asked(tool, reach)).kind).toBe(kind)
  })
})

describe('rules', () => {
  test('a denied tool is denied in every mode, bypass and a listing as allowed included', () => {
    const rules = { permissionMode: 'bypass', deniedTools: ['Bash'], allowedTools: ['shell'] } as const
    expect(judge(facts(rules), asked('shell'))).toMatchObject({
      kind: 'deny',
      message: expect.stringMatching('shell'),
    })
  })

  test('listed tools need no asking, and no others exist', () => {
    const rules = facts({ permissionMode: 'ask', allowedTools: ['Read', 'Bash', 'mcp:things'] }, false)
    expect(judge(rules, asked('shell')).kind).toBe('allow')
    expect(judge(rules, asked('mcp:things:add')).kind).toBe('allow')
    expect(judge(rules, asked('mcp:other:add')).kind).toBe('deny')
    expect(judge(rules, asked('write')).kind).toBe('deny')
  })

  test('what is listed is still not written where the run may only read', () => {
    const rules = facts({ permissionMode: 'read_only', allowedTools: ['write'] })
    expect(judge(rules, asked('write')).kind).toBe('deny')
  })

  test('a rule with an argument names its tool: the runner has matched the rest', () => {
    const rules = facts({ permissionMode: 'ask', allowedTools: ['Bash(git log:*)'] })
    expect(judge(rules, asked('shell')).kind).toBe('ask')
    expect(judge(rules, asked('write')).kind).toBe('deny')
  })

  test.each([
    [{ deniedPaths: ['secrets/**'] }, '/work/secrets/a', 'deny'],
    [{ deniedPaths: ['**/*.pem'] }, '/work/.hidden/key.pem', 'deny'],
    [{ deniedPaths: ['secrets/**'] }, '/work/src/a', 'allow'],
    [{ allowedPaths: ['src/**'] }, '/work/src/.x/a', 'allow'],
    [{ allowedPaths: ['src/**'] }, '/work/docs/a', 'deny'],
    [{ allowedPaths: ['src/**'] }, '/work/src/../docs/a', 'deny'],
    [{ allowedPaths: ['**'] }, '/elsewhere/a', 'deny'],
  ] as const)('paths %j: writing %s: %s', (rules, path, kind) => {
    expect(judge(facts(rules), asked('write', 'inside', path)).kind).toBe(kind)
    expect(judge(facts(rules), asked('read', 'inside', path)).kind).toBe('allow')
  })
})

describe('tool names', () => {
  test.each([
    ['Bash', 'shell', true],
    ['shell', 'Bash', true],
    ['edit', 'MultiEdit', true],
    ['mcp:a', 'mcp:a:b', true],
    ['mcp:a', 'mcp:ab:c', false],
    ['mcp:a:b', 'mcp:a:b', true],
    ['StructuredOutput', 'StructuredOutput', true],
    ['toString', 'constructor', false],
  ])('rule %s covers %s: %s', (rule, tool, covers) => expect(coversTool(rule, tool)).toBe(covers))
})
