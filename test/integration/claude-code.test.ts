import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { createClaudeCodeAdapter } from '../../adapters/runners/claude-code/index.ts'
import { payloadName } from '../../internal/event/event.ts'
import { KEY, openTheatre, prepareStage, type Stage } from '../support/claude-turn.ts'
import { marked } from '../support/marked-processes.ts'
import { type Played, payloadsOf } from '../support/played-turn.ts'

const DEADLINE = { timeout: 60_000 }
/** For the installation, where it is not there yet. */
const INSTALL_DEADLINE_MS = 310_000

const namesOf = (played: Played): string[] =>
  played.events.map((event) => payloadName(event.payload)).filter((name) => name !== 'log')

const shell = (command: string) => ({ tool: 'shell', command })

describe('claude-code', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await prepareStage()
  }, INSTALL_DEADLINE_MS)

  it('is found, and its version is supported', DEADLINE, async () => {
    const adapter = createClaudeCodeAdapter({ command: stage.program, path: '', environment: {} })

    expect(await adapter.probe()).toEqual({
      available: true,
      version: '2.1.329',
      versionSupported: true,
      message: 'claude-code 2.1.329',
    })
  })

  it('writes a file, asks before it does, and tells of it', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'write-file')

    const played = await theatre.play()

    const path = join(theatre.work, 'greeting.txt')
    expect(readFileSync(path, 'utf8')).toBe('Hello from the script\n')
    expect(played.outcome).toMatchObject({
      kind: 'completed',
      summary: 'I wrote greeting.txt.',
      turnsUsed: 2,
      usage: { inputTokens: 1200, outputTokens: 30, totalCostUsd: expect.closeTo(0.00675, 6) },
    })
    expect(namesOf(played)).toEqual(['message', 'tool_call', 'tool_result', 'message', 'cost'])
    expect(payloadsOf(played, 'cost')).toMatchObject([
      { model: 'claude-opus-4-5', input_tokens: 1200, output_tokens: 30, cost_source: 'runner_reported' },
    ])
    expect(played.asked).toMatchObject([
      { toolName: 'write', reach: 'inside', path, detail: path, input: { file_path: path } },
    ])
    expect(played.sessions).toEqual([{ id: played.outcome.sessionId, resumed: false }])
    expect(theatre.calls.map((call) => call.authorization)).toEqual([KEY, KEY])
    expect(marked(theatre.mark)).toEqual([])
  })

  it('answers, thinks, streams and counts', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')

    const played = await theatre.play()

    expect(played.outcome).toMatchObject({
      kind: 'completed',
      summary: 'The answer is 42.',
      usage: { inputTokens: 100, cacheReadTokens: 400, outputTokens: 13 },
    })
    expect(namesOf(played)).toEqual(['thinking', 'message', 'cost'])
    const streamed = (kind: string) =>
      played.deltas.filter((delta) => delta.kind === kind).map((delta) => delta.text)
    expect([streamed('thinking').join(''), streamed('text').join('')]).toEqual([
      'An easy one.',
      'The answer is 42.',
    ])
  })

  it('edits a file it has read', DEADLINE, async () => {
    const theatre = await openTheatre(stage, {
      name: 'edit',
      steps: [
        { tool_calls: [{ tool: 'write', path: 'a.txt', content: 'one\n' }] },
        { tool_calls: [{ tool: 'edit', path: 'a.txt', old: 'one', new: 'two' }] },
        { text: 'Edited.' },
      ],
    })

    const played = await theatre.play()

    expect(readFileSync(join(theatre.work, 'a.txt'), 'utf8')).toBe('two\n')
    expect(payloadsOf(played, 'tool_call').map((call) => call.tool_name)).toEqual(['write', 'edit'])
  })

  it('tells of a command that fails, and goes on', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'failing-tool')

    const played = await theatre.play()

    expect(played.outcome).toMatchObject({ summary: 'The command failed, so I stop here.' })
    expect(payloadsOf(played, 'tool_result')).toMatchObject([
      { tool_name: 'shell', success: false, error: expect.stringContaining('Exit code 3') },
    ])
    expect(payloadsOf(played, 'tool_result')[0]?.output).toMatch(/to-out\s+to-err/)
  })

  it('asks for several calls at once, and each gets its own answer', DEADLINE, async () => {
    const theatre = await openTheatre(stage, {
      name: 'parallel',
      steps: [
        {
          tool_calls: [
            { tool: 'read', path: '/etc/hostname' },
            { tool: 'read', path: '/etc/hosts' },
          ],
        },
        { text: 'Done.' },
      ],
    })
    // The first is answered only when the second was asked: they wait beside each other.
    const second = Promise.withResolvers<void>()

    const played = await theatre.play({
      decide: async ({ detail }) => {
        if (detail === '/etc/hosts') second.resolve()
        else await second.promise
        return { allow: detail === '/etc/hosts', message: 'Not this one.' }
      },
    })

    expect(played.outcome.kind).toBe('completed')
    expect(played.asked.map(({ toolName, reach }) => [toolName, reach])).toEqual([
      ['read', 'outside'],
      ['read', 'outside'],
    ])
    const results = payloadsOf(played, 'tool_result')
    expect(results.find((result) => !result.success)?.error).toContain('Not this one.')
    expect(results.find((result) => result.success)?.output).toContain('localhost')
  })

  it('goes by the changed input of a decision', DEADLINE, async () => {
    const theatre = await openTheatre(stage, {
      name: 'changed',
      steps: [{ tool_calls: [shell('touch wrong')] }, { text: 'Done.' }],
    })

    await theatre.play({ decide: () => ({ allow: true, message: '', input: { command: 'touch right' } }) })

    expect(existsSync(join(theatre.work, 'right'))).toBe(true)
    expect(existsSync(join(theatre.work, 'wrong'))).toBe(false)
  })

  it(
    'asks for harmless commands too, and follows links before it says where a path lies',
    DEADLINE,
    async () => {
      const theatre = await openTheatre(stage, {
        name: 'links',
        steps: [
          { tool_calls: [shell('echo hello')] },
          { tool_calls: [{ tool: 'write', path: 'way-out/agent-manager-was-here', content: 'no' }] },
          { text: 'Done.' },
        ],
      })
      symlinkSync('/etc', join(theatre.work, 'way-out'))

      const played = await theatre.play()

      expect(
        played.asked.map(({ toolName, reach, detail, path }) => [toolName, reach, detail, path]),
      ).toEqual([
        ['shell', 'inside', 'echo hello', null],
        ['write', 'outside', '/etc/agent-manager-was-here', '/etc/agent-manager-was-here'],
      ])
      expect(payloadsOf(played, 'tool_result').map((result) => result.error)).toEqual([
        null,
        expect.stringContaining('Stay inside.'),
      ])
    },
  )

  it('ends its turn at a refusal that says so', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'write-file')

    const played = await theatre.play({
      decide: () => ({ allow: false, message: 'Enough.', interrupt: true }),
    })

    expect(played.outcome).toMatchObject({ kind: 'completed', summary: 'I will write the file.' })
    expect(theatre.calls).toHaveLength(1)
  })

  const QUESTION = {
    name: 'question',
    steps: [
      {
        tool_calls: [
          {
            tool: 'raw',
            name: 'AskUserQuestion',
            input: {
              questions: [
                {
                  question: 'Which colour?',
                  header: 'Colour',
                  options: [
                    { label: 'Red', description: 'Warm' },
                    { label: 'Blue', description: 'Cold' },
                  ],
                  multiSelect: false,
                },
              ],
            },
          },
        ],
      },
      { text: 'Thank you.' },
    ],
  }

  it('puts its question to a person', DEADLINE, async () => {
    const theatre = await openTheatre(stage, QUESTION)

    const played = await theatre.play({ ask: () => ({ answers: { 'Which colour?': 'Blue' }, message: '' }) })

    expect(played.questions[0]?.questions).toEqual([
      {
        question: 'Which colour?',
        header: 'Colour',
        options: [
          { label: 'Red', description: 'Warm' },
          { label: 'Blue', description: 'Cold' },
        ],
        multiSelect: false,
      },
    ])
    expect(played.asked).toEqual([])
    expect(payloadsOf(played, 'tool_result')[0]?.output).toContain('Blue')
    expect(played.outcome).toMatchObject({ kind: 'completed', summary: 'Thank you.' })
  })

  it('hears when nobody answers, and goes on', DEADLINE, async () => {
    const theatre = await openTheatre(stage, QUESTION)

    const played = await theatre.play()

    expect(payloadsOf(played, 'tool_result')[0]).toMatchObject({
      success: false,
      error: expect.stringContaining('Nobody is here.'),
    })
    expect(played.outcome).toMatchObject({ kind: 'completed', summary: 'Thank you.' })
  })

  it('has no tool to write with when it may only read', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'write-file')

    const played = await theatre.play({ permissionMode: 'read_only' })

    expect(played.outcome).toMatchObject({
      summary: expect.stringContaining('not offered a tool for: write'),
    })
    expect(theatre.calls[0]?.tools).toContain('Read')
    expect(theatre.calls[0]?.tools).not.toContain('Bash')
  })

  it('has the tools that its rules name, and no others', DEADLINE, async () => {
    const theatre = await openTheatre(stage, {
      name: 'rules',
      steps: [
        { tool_calls: [shell('git --version'), shell('touch made')] },
        { tool_calls: [shell('git rm x')] },
        { text: 'Done.' },
      ],
    })

    const played = await theatre.play({
      allowedTools: ['read', 'Bash(git:*)'],
      deniedTools: ['Bash(git rm:*)'],
    })

    expect(theatre.calls[0]?.tools.toSorted()).toEqual(['Bash', 'Read'])
    const results = payloadsOf(played, 'tool_result')
    expect(results.map((result) => result.success)).toEqual([true, false, false])
    expect(results[1]?.error).toContain('Only this is allowed of Bash')
    expect(existsSync(join(theatre.work, 'made'))).toBe(false)
    expect(played.asked).toEqual([])
  })
})
