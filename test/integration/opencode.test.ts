import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { beforeAll, describe, expect, it } from 'vitest'
import { createOpencodeAdapter } from '../../adapters/runners/opencode/index.ts'
import { type EventPayload, payloadName } from '../../internal/event/event.ts'
import { marked } from '../support/marked-processes.ts'
import { KEY, openTheatre, prepareStage, type Stage } from '../support/opencode-turn.ts'
import { payloadsOf as find, type Played } from '../support/played-turn.ts'

const DEADLINE = { timeout: 90_000 }
/** For the installation, where it is not there yet. */
const INSTALL_DEADLINE_MS = 310_000

/** The question tool is opencode's own. */
const QUESTION = {
  name: 'question',
  steps: [
    {
      tool_calls: [
        {
          tool: 'raw',
          name: 'question',
          input: {
            questions: [
              {
                question: 'Which colour?',
                header: 'Colour',
                options: [
                  { label: 'Red', description: 'Warm' },
                  { label: 'Blue', description: 'Cold' },
                ],
              },
            ],
          },
        },
      ],
    },
    { text: 'Thank you.' },
  ],
}

const namesOf = (played: Played): string[] =>
  played.events.map((event) => payloadName(event.payload)).filter((name) => name !== 'cost')

describe('opencode', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await prepareStage()
  }, INSTALL_DEADLINE_MS)

  it('is found, and its version is supported', DEADLINE, async () => {
    const adapter = createOpencodeAdapter({ command: stage.program, path: '', environment: {} })

    expect(await adapter.probe()).toEqual({
      available: true,
      version: '1.18.33',
      versionSupported: true,
      message: 'opencode 1.18.33',
    })
  })

  it('writes a file, and tells of it', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'write-file')

    const played = await theatre.play()

    expect(readFileSync(join(theatre.work, 'greeting.txt'), 'utf8')).toBe('Hello from the script\n')
    expect(played.outcome).toMatchObject({
      kind: 'completed',
      summary: 'I wrote greeting.txt.',
      turnsUsed: 2,
      usage: { inputTokens: 1200, outputTokens: 30, totalCostUsd: 0.0015 },
    })
    expect(namesOf(played).sort()).toEqual(['message', 'message', 'tool_call', 'tool_result'])
    expect(find(played, 'tool_result')).toEqual([
      {
        tool_name: 'write',
        tool_call_id: 'call_0_0',
        output: 'Wrote file successfully.',
        error: null,
        success: true,
      },
    ])
    expect(theatre.calls.map((call) => call.authorization)).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`])
    expect(marked(theatre.mark)).toEqual([])
  })

  it(
    'answers, streams, thinks and counts, and goes on with its session in a second turn',
    DEADLINE,
    async () => {
      const theatre = await openTheatre(stage, 'answer-only')

      const first = await theatre.play()
      const second = await theatre.play({
        sessionId: first.outcome.sessionId,
        prompt: 'What is the answer?',
        resumePrompt: 'Are you sure?',
      })

      expect(first.outcome).toMatchObject({
        kind: 'completed',
        summary: 'The answer is 42.',
        usage: { inputTokens: 100, cacheReadTokens: 400, outputTokens: 13 },
      })
      expect(namesOf(first)).toEqual(['thinking', 'message'])
      const streamed = (kind: string) =>
        first.deltas
          .filter((delta) => delta.kind === kind)
          .map((delta) => delta.text)
          .join('')
      expect([streamed('thinking'), streamed('text')]).toEqual(['An easy one.', 'The answer is 42.'])
      expect(second.outcome).toMatchObject({ kind: 'completed', summary: 'It is still 42.' })
      expect(second.outcome.sessionId).toBe(first.outcome.sessionId)
      const id = first.outcome.sessionId
      expect([...first.sessions, ...second.sessions]).toEqual([
        { id, resumed: false },
        { id, resumed: true },
      ])
      expect(theatre.calls[1]?.said).toContain('Are you sure?')
      expect(namesOf(second)).toEqual(['message'])
      // The second turn's model call saw the first one's answer.
      expect(theatre.calls.map((call) => call.step)).toEqual([0, 1])
    },
  )

  it('begins a new session where the old one is not known', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')

    const played = await theatre.play({ sessionId: 'ses_0000000000000000000000' })

    expect(played.outcome.kind).toBe('completed')
    expect(played.outcome.sessionId).not.toBe('ses_0000000000000000000000')
    expect(played.sessions).toEqual([{ id: played.outcome.sessionId, resumed: false }])
    expect(namesOf(played)).toEqual(['log', 'thinking', 'message'])
  })

  it('tells of a command that fails, and goes on', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'failing-tool')

    const played = await theatre.play()

    expect(played.outcome).toMatchObject({
      kind: 'completed',
      summary: 'The command failed, so I stop here.',
    })
    expect(find(played, 'tool_result')).toEqual([
      {
        tool_name: 'shell',
        tool_call_id: 'call_0_0',
        output: 'to-out\nto-err\n',
        error: 'the command ended with exit code 3',
        success: false,
      },
    ])
  })

  it('asks before it leaves its folder, hears the refusal and goes on', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'permission-outside')

    const played = await theatre.play()

    expect(played.asked).toMatchObject([
      {
        toolName: 'write',
        reach: 'outside',
        detail: '/etc/agent-manager-was-here',
        path: '/etc/agent-manager-was-here',
      },
    ])
    expect(existsSync('/etc/agent-manager-was-here')).toBe(false)
    expect(readFileSync(join(theatre.work, 'inside.txt'), 'utf8')).toBe('yes\n')
    expect(find(played, 'tool_result')).toMatchObject([
      { success: false, error: expect.stringContaining('Stay inside.') },
      { success: true },
    ])
    expect(played.outcome.kind).toBe('completed')
  })

  it('ends its turn at a refusal that says so', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'permission-outside')

    const played = await theatre.play({
      decide: () => ({ allow: false, message: 'Enough.', interrupt: true }),
    })

    expect(played.outcome).toMatchObject({ kind: 'completed', turnsUsed: 1 })
    expect(existsSync(join(theatre.work, 'inside.txt'))).toBe(false)
  })

  it('stops while a person is asked, and takes the question back', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'permission-outside')
    const abort = new AbortController()

    const played = await theatre.play({
      signal: abort.signal,
      decide: async ({ withdrawn }) => {
        abort.abort()
        await new Promise<void>((resolve) => withdrawn.addEventListener('abort', () => resolve()))
        return { allow: true, message: '' }
      },
    })

    expect(played.outcome.kind).toBe('stopped')
    expect(played.asked[0]?.withdrawn.aborted).toBe(true)
    expect(existsSync('/etc/agent-manager-was-here')).toBe(false)
  })

  it('puts its question to a person, and goes on with the answer', DEADLINE, async () => {
    const theatre = await openTheatre(stage, QUESTION)

    const played = await theatre.play({
      ask: () => ({ answers: { 'Which colour?': 'Blue' }, message: '' }),
    })

    expect(played.questions).toMatchObject([
      {
        questions: [
          {
            question: 'Which colour?',
            header: 'Colour',
            options: [{ label: 'Red' }, { label: 'Blue' }],
            multiSelect: false,
          },
        ],
      },
    ])
    expect(find(played, 'tool_result')).toMatchObject([{ output: expect.stringContaining('Blue') }])
    expect(played.outcome).toMatchObject({ kind: 'completed', summary: 'Thank you.' })
  })

  it('has no tool to write with when it may only read', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'write-file')

    const played = await theatre.play({ permissionMode: 'read_only' })

    expect(played.outcome).toMatchObject({
      summary: expect.stringContaining('not offered a tool for: write'),
    })
    expect(theatre.calls[0]?.tools).not.toContain('bash')
    expect(existsSync(join(theatre.work, 'greeting.txt'))).toBe(false)
  })

  it('stops in the middle of a long command and leaves no process', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'long-tool')
    const abort = new AbortController()

    const played = await theatre.play({
      signal: abort.signal,
      onEvent: (payload: EventPayload) => {
        if ('tool_call' in payload) abort.abort()
      },
    })

    expect(played.outcome.kind).toBe('stopped')
    expect(find(played, 'tool_result')).toMatchObject([{ tool_name: 'shell' }])
    expect(marked(theatre.mark)).toEqual([])
  })

  it('fails when its server is killed', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'long-tool')

    const played = await theatre.play({
      onEvent: (payload: EventPayload) => {
        if (!('tool_call' in payload)) return
        const server = marked(theatre.mark).find((row) =>
          commandOf(row.pid).startsWith(`${stage.program}\0serve`),
        )
        process.kill(server!.pid, 'SIGKILL')
      },
    })

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'agent_crashed', retryable: true },
    })
    expect(find(played, 'tool_result')).toMatchObject([{ tool_name: 'shell', success: false }])
    expect(marked(theatre.mark)).toEqual([])
  })

  it.each([
    ['error-401', 'provider_auth', 'Incorrect API key provided (HTTP 401)'],
    ['error-400', 'provider_rejected', 'Unsupported parameter: temperature (HTTP 400)'],
    ['error-context', 'context_overflow', 'maximum context length'],
    ['error-429', 'rate_limited', 'Rate limit reached'],
    ['cut', 'provider_rejected', 'given up after 1 retries'],
  ])('fails on %s as %s', DEADLINE, async (scenario, code, message) => {
    const theatre = await openTheatre(stage, scenario)

    const played = await theatre.play()

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { code, message: expect.stringContaining(message) },
    })
    expect(marked(theatre.mark)).toEqual([])
  })

  it('ends a turn that wants more model calls than it may make', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'endless')

    const played = await theatre.play({ maxTurns: 2 })

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'agent_error', message: expect.stringContaining('more than the 2 model calls') },
    })
  })

  it('fails before it starts anything when no model is chosen', DEADLINE, async () => {
    const theatre = await openTheatre(stage, 'answer-only')

    const played = await theatre.play({ model: null })

    expect(played.outcome).toMatchObject({
      kind: 'failed',
      failure: { message: expect.stringContaining('needs a model') },
    })
    expect(theatre.calls).toEqual([])
  })
})

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // it ended meanwhile
  }
}
