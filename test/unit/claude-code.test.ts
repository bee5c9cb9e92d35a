import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { claudeArguments, claudeEnvironment } from '../../adapters/runners/claude-code/argv.ts'
import { mcpConfig } from '../../adapters/runners/claude-code/mcp.ts'
import { toolSettings } from '../../adapters/runners/claude-code/permissions.ts'
import { isSupported } from '../../adapters/runners/claude-code/probe.ts'
import { reachOf } from '../../adapters/runners/claude-code/reach.ts'
import { chooseSession } from '../../adapters/runners/claude-code/session.ts'
import { nativeRule, ourToolName, unknownTools } from '../../adapters/runners/claude-code/tool-names.ts'
import { emptyLedger, noteCall, settle, settleStreamed } from '../../adapters/runners/claude-code/usage.ts'
import { resultSchema } from '../../adapters/runners/claude-code/wire.ts'

function folder(): string {
  const made = realpathSync(mkdtempSync(join(tmpdir(), 'claude-unit-')))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

describe('tool names', () => {
  it.each([
    ['Bash', 'shell'],
    ['NotebookEdit', 'edit'],
    ['Agent', 'task'],
    ['mcp__db__query', 'mcp:db:query'],
    ['Skill', 'Skill'],
  ])('%s is our %s', (theirs, ours) => {
    expect(ourToolName(theirs)).toBe(ours)
  })

  it.each([
    ['edit', { tools: ['Edit', 'NotebookEdit'], rule: null }],
    ['NotebookEdit', { tools: ['NotebookEdit'], rule: null }],
    ['shell(git log:*)', { tools: ['Bash'], rule: 'Bash(git log:*)' }],
    ['mcp:db', { tools: ['mcp__db'], rule: null, isMcp: true }],
    ['mcp:db:query', { tools: ['mcp__db__query'], isMcp: true }],
  ])('the rule %s is understood', (rule, native) => {
    expect(nativeRule(rule)).toMatchObject(native)
  })

  it('says which rules nothing can apply', () => {
    const rules = ['read', 'Bash(git:*)', 'nonsense', 'mcp:', 'mcp:a:b(c)', 'Nonsense(x)', '', 'CronCreate']
    expect(unknownTools(rules)).toEqual(['nonsense', 'mcp:', 'mcp:a:b(c)', 'Nonsense(x)', '', 'CronCreate'])
  })
})

describe('what the CLI is told of tools', () => {
  const turn = { allowedTools: [], deniedTools: [], permissionMode: 'auto', mcpServers: [] } as const
  const permissions = (more: object) => {
    const { settings, ...rest } = toolSettings({ ...turn, ...more })
    return { ...rest, ...JSON.parse(settings).permissions }
  }

  it('lets it ask for everything that changes something', () => {
    const { tools, ask, allow } = permissions({
      mcpServers: [{ name: 'db', url: 'http://x', headersEnv: {} }],
    })

    expect(tools).toBeNull()
    expect(ask).toEqual(['Bash', 'Write', 'Edit', 'NotebookEdit', 'WebFetch', 'WebSearch', 'mcp__db'])
    expect(allow).toEqual([])
  })

  it('leaves tools with arguments to their rules, unless they are allowed as a whole', () => {
    const one = permissions({ allowedTools: ['Bash(git log:*)', 'Bash(ls)', 'read'] })
    const both = permissions({ allowedTools: ['Bash(git log:*)', 'shell'] })

    expect(one).toMatchObject({ tools: 'Bash,Read', allow: ['Bash(git log:*)', 'Bash(ls)'] })
    expect(one.ask).not.toContain('Bash')
    expect([...one.byRuleOnly]).toEqual(['Bash'])
    expect(both).toMatchObject({ tools: 'Bash', allow: [] })
    expect(both.ask).toContain('Bash')
  })

  it('denies what is denied, and what changes something where it may only read', () => {
    const { deny } = permissions({ deniedTools: ['web_search', 'Bash(rm:*)'], permissionMode: 'read_only' })

    expect(deny).toEqual(expect.arrayContaining(['WebSearch', 'Bash(rm:*)', 'Bash', 'Write', 'Edit']))
  })
})

describe('the command line', () => {
  const more = {
    session: { id: 'S', isResumed: false, rewindTo: null },
    tools: '',
    settings: '{}',
    mcpConfig: '/m.json',
  }

  it('ties values of users to their flag', () => {
    const turn = { model: '--dangerously-skip-permissions', maxTurns: 3, trustProject: false }

    const args = claudeArguments('/claude', turn, more)

    expect(args).toEqual(expect.arrayContaining(['--session-id', '--strict-mcp-config', '--tools=']))
    expect(args).toContain('--model=--dangerously-skip-permissions')
    expect(args).not.toContain('--dangerously-skip-permissions')
  })

  it('reads the settings of the project only when it is trusted', () => {
    const turn = { model: null, maxTurns: 3, trustProject: true }

    const args = claudeArguments('/claude', turn, {
      ...more,
      session: { id: 'S', isResumed: true, rewindTo: null },
    })

    expect(args).toEqual(expect.arrayContaining(['--resume', 'user,project,local']))
    expect(args).not.toContain('--strict-mcp-config')
  })

  it('has an environment of named variables', () => {
    const service = { ANTHROPIC_API_KEY: 'k', HTTPS_PROXY: 'p', SECRET_OF_OTHERS: 'x', HOME: '/root' }
    const turn = { env: { TMPDIR: '/t' }, home: '/h', mcpEnv: { DB: 'd' }, mcpServers: [] }

    const env = claudeEnvironment(service, turn, { maxRetries: 3, apiTimeoutMs: 1 })

    expect(env).toMatchObject({ ANTHROPIC_API_KEY: 'k', HTTPS_PROXY: 'p', HOME: '/h', DB: 'd' })
    expect(env).toMatchObject({ CLAUDE_CODE_TMPDIR: '/t', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' })
    expect(env).not.toHaveProperty('SECRET_OF_OTHERS')
  })

  it('names secrets of MCP servers and does not hold them', () => {
    const config = mcpConfig([
      { name: 'a', command: '/a', args: ['-x'], env: ['TOKEN'] },
      { name: 'b', url: 'https://b.test/mcp', headersEnv: { Authorization: 'B_AUTH' } },
    ])

    expect(config).toEqual({
      mcpServers: {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the CLI fills it in
        a: { type: 'stdio', command: '/a', args: ['-x'], env: { TOKEN: '${TOKEN}' } },
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the CLI fills it in
        b: { type: 'http', url: 'https://b.test/mcp', headers: { Authorization: '${B_AUTH}' } },
      },
    })
  })
})

describe('reach', () => {
  const asked = (tool_name: string, input: Record<string, unknown>) =>
    ({ subtype: 'can_use_tool', tool_name, input }) as const

  it('goes by the path, its links followed as far as they exist', async () => {
    const base = folder()
    const work = join(base, 'work')
    mkdirSync(work)
    symlinkSync(base, join(work, 'up'))
    const reach = async (path: string) =>
      (await reachOf(asked('Write', { file_path: path }), work, [work])).reach

    expect(await reach('new/deep/file')).toBe('inside')
    expect(await reach(join(work, '..name'))).toBe('inside')
    expect(await reach('../other')).toBe('outside')
    expect(await reach('up/other')).toBe('outside')
    expect(await reach('up/work/file')).toBe('inside')
    expect(await reach(`${work}-beside/file`)).toBe('outside')
  })

  it('of commands is inside, of the web outside, and of the rest inside', async () => {
    expect(await reachOf(asked('Bash', { command: 'rm -rf /' }), '/w', ['/w'])).toEqual({
      reach: 'inside',
      path: null,
    })
    expect((await reachOf(asked('WebFetch', { url: 'http://x' }), '/w', ['/w'])).reach).toBe('outside')
    expect((await reachOf(asked('Skill', {}), '/w', ['/w'])).reach).toBe('inside')
  })
})

describe('sessions', () => {
  const ID = '11111111-1111-4111-8111-111111111111'
  const transcript = (home: string, text: string): void => {
    const project = join(home, '.claude/projects/-w')
    mkdirSync(project, { recursive: true })
    writeFileSync(join(project, `${ID}.jsonl`), text)
  }

  it('go on where there is a conversation', async () => {
    const home = folder()
    transcript(home, '{"type":"queue-operation"}\n{"parentUuid":null,"type":"user"}\n')

    expect(await chooseSession(home, ID, 0)).toEqual({ id: ID, isResumed: true, rewindTo: null })
  })

  it.each([
    ['{"type":"queue-operation"}\n', ID],
    ['', ID],
    ['{"type":"user"}\n', '../../etc/passwd'],
    ['{"type":"user"}\n', '22222222-2222-4222-8222-222222222222'],
    ['{"type":"user"}\n', null],
  ])('begin anew where there is none (%j, %s)', async (text, wanted) => {
    const home = folder()
    transcript(home, text)

    const session = await chooseSession(home, wanted, 0)

    expect(session.isResumed).toBe(false)
    expect(session.id).not.toBe(wanted)
  })

  const line = (type: string, uuid: string, id: string | undefined, ...blocks: string[]) =>
    JSON.stringify({ type, uuid, message: { id, role: type, content: blocks.map((of) => ({ type: of })) } })
  const asked = [
    line('user', 'u1', undefined, 'text'),
    line('assistant', 'a1', 'm1', 'tool_use'),
    line('user', 'u2', undefined, 'tool_result'),
    line('assistant', 'a2', 'm2', 'text'),
    line('assistant', 'a3', 'm2', 'tool_use'),
    line('assistant', 'a4', 'm2', 'tool_use'),
  ]

  const refusal =
    'Tool permission request failed: AbortError: Tool permission stream closed before response received'
  const unheard = JSON.stringify({
    type: 'user',
    uuid: 'u3',
    message: { content: [{ type: 'tool_result', is_error: true, content: refusal }] },
  })
  const denied = unheard.replace(refusal, 'Denied by a person.')

  it.each([
    ['all calls of the last message waited', asked, 2, 'u2'],
    ['its pipe broke before it was killed', [...asked, unheard], 2, 'u2'],
    ['the model was told so and spoke', [...asked, unheard, line('assistant', 'a5', 'm3', 'text')], 2, 'u2'],
    ['the model then did something', [...asked, unheard, line('assistant', 'a5', 'm3', 'tool_use')], 1, null],
    ['one of them was carried out, and the other unheard', [...asked, unheard], 1, null],
    ['a person denied it', [...asked, denied], 2, null],
    ['the prompt alone stands after it', [...asked.slice(0, 4), unheard], 1, null],
    ['one of them was being carried out', asked, 1, null],
    ['none waited', asked, 0, null],
    ['one of them has its result', [...asked, line('user', 'u3', undefined, 'tool_result')], 1, null],
    ['the message was not written down yet', asked.slice(0, 3), 1, null],
    ['only its words were written down', asked.slice(0, 4), 2, 'u2'],
    ['its last line was cut', [...asked, '{"type":"assistant","uu'], 2, 'u2'],
    [
      'an agent of the agent spoke last',
      [...asked, '{"type":"user","uuid":"s","isSidechain":true,"message":{"content":"x"}}'],
      2,
      'u2',
    ],
  ])('take back calls that were never carried out: %s', async (_, lines, waiting, rewindTo) => {
    const home = folder()
    transcript(home, `${lines.join('\n')}\n`)
    expect(await chooseSession(home, ID, waiting)).toEqual({ id: ID, isResumed: true, rewindTo })
  })
})

describe('what a turn used', () => {
  const totals = (input: number, cost: number) => ({
    m: { inputTokens: input, outputTokens: 1, costUSD: cost },
  })
  const result = (more: object) => resultSchema.parse({ subtype: 'success', is_error: false, ...more })

  it('is what each result adds', () => {
    const ledger = emptyLedger(false)

    settle(ledger, result({ modelUsage: totals(10, 1) }))
    const second = settle(ledger, result({ modelUsage: totals(25, 3) }))

    expect(second).toMatchObject([{ cost: { model: 'm', input_tokens: 15, total_cost_usd: 2 } }])
    expect(ledger.usage).toMatchObject({ inputTokens: 25, totalCostUsd: 3 })
  })

  it('leaves out what earlier turns of a resumed session cost', () => {
    const ledger = emptyLedger(true)

    const told = settle(
      ledger,
      result({ modelUsage: totals(110, 9), model_usage_since_last_result: totals(10, 1) }),
    )

    expect(told).toMatchObject([{ cost: { input_tokens: 10, total_cost_usd: 1 } }])
  })

  it('has no cost where the CLI does not say what a resumed session cost before', () => {
    const ledger = emptyLedger(true)

    settle(ledger, result({ modelUsage: totals(110, 9), usage: { input_tokens: 10, output_tokens: 1 } }))
    settle(ledger, result({ modelUsage: totals(120, 10) }))

    expect(ledger.usage).toMatchObject({ inputTokens: 20, totalCostUsd: null })
  })

  it('is counted from the stream where no result comes', () => {
    const ledger = emptyLedger(false)
    const tokens = {
      input_tokens: 7,
      output_tokens: 2,
      cache_read_input_tokens: 0,
      cache_creation_input_tokens: 0,
    }
    noteCall(ledger, 'msg_1', 'm', tokens)

    expect(settleStreamed(ledger)).toMatchObject([{ cost: { input_tokens: 7, cost_source: 'unknown' } }])
    expect(settleStreamed(ledger)).toEqual([])
    expect(ledger.usage.totalCostUsd).toBeNull()
  })
})

it.each([
  ['2.1.329', true],
  ['2.1.300', true],
  ['2.1.299', false],
  ['2.2.0', false],
  ['2.1.329-beta', false],
  ['', false],
])('supports version %j: %s', (version, supported) => {
  expect(isSupported(version)).toBe(supported)
})
