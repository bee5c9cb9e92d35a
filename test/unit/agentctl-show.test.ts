/** What agentctl writes for people: pure functions of what the service said. */
import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { ApiError, type RunDelta, type RunEvent, UnreachableError } from '../../api/client/index.ts'
import { complain, complaintOf } from '../../cmd/agentctl/complain.ts'
import { type CommandTree, completionScript } from '../../cmd/agentctl/completion.ts'
import { Failed, Interrupted, UsageError } from '../../cmd/agentctl/exit.ts'
import { diffStat, diffText } from '../../cmd/agentctl/show/diff.ts'
import { RunPicture } from '../../cmd/agentctl/show/run-picture.ts'
import { oneLine, safe } from '../../cmd/agentctl/show/safe.ts'
import { cut, table } from '../../cmd/agentctl/show/table.ts'
import { ago } from '../../cmd/agentctl/show/words.ts'
import type { Paint } from '../../cmd/agentctl/terminal.ts'

const plain: Paint = (_, text) => text
const marked: Paint = (style, text) => `<${String(style)}>${text}</>`
const event = (payload: object) => payload as RunEvent
const delta = (text: string, kind = 'text') =>
  ({ delta: { kind, text, turn: 1, message_id: 'm' } }) as RunDelta

describe('the picture of a run', () => {
  test('shows text as it comes, and does not say it again', () => {
    const picture = new RunPicture(plain)
    const written = [
      picture.delta(delta('Hello ')),
      picture.delta(delta('thinking', 'thinking')),
      picture.delta(delta('world.')),
      picture.event(
        event({ tool_call: { tool_name: 'shell', input: { command: 'ls' }, tool_call_id: 'c' } }),
      ),
      picture.event(event({ message: { role: 'assistant', content: 'Hello world.' } })),
      picture.event(event({ message: { role: 'assistant', content: 'Hello world.' } })),
    ]
    expect(written.join('')).toBe('Hello world.\nshell ls\nHello world.\n')
  })

  test('says what was not shown, and ends a line that was cut', () => {
    const picture = new RunPicture(plain)
    const written = [
      picture.delta(delta('Hel')),
      picture.event(event({ message: { role: 'assistant', content: 'Hello.' } })),
      picture.delta(delta('half')),
      picture.event(
        event({ status: { old_status: 'running', new_status: 'failed', reason: 'agent_error' } }),
      ),
      picture.end(),
    ]
    expect(written.join('')).toBe('Hel\nHello.\nhalf\n· failed (agent_error)\n')
  })

  test.each([
    [
      {
        input: { content: 'Do it', input_id: 'i', status: 'delivered', delivery: 'queue', source: 'prompt' },
      },
      '> Do it\n',
    ],
    [{ message: { role: 'user', content: 'Do it' } }, ''],
    [{ tool_result: { success: true, output: 'x', error: null, tool_name: 't', tool_call_id: 'c' } }, ''],
    [
      { tool_result: { success: false, output: '', error: 'no\nway', tool_name: 't', tool_call_id: 'c' } },
      '  failed: no…\n',
    ],
    [
      {
        interaction: {
          kind: 'permission',
          status: 'pending',
          tool_name: 'shell',
          decision: null,
          decided_by: null,
        },
      },
      '? asks: permission for shell\n',
    ],
    [
      {
        interaction: {
          kind: 'permission',
          status: 'answered',
          tool_name: 'shell',
          decision: 'deny',
          decided_by: 'ada',
        },
      },
      '  permission for shell: denied by ada\n',
    ],
    [
      { approval: { action: 'approve', actor: 'ada', commit_hash: '0123456789abcdef', error: null } },
      'approved by ada, commit 0123456789ab\n',
    ],
    [{ log: { level: 'info', message: 'x' } }, ''],
    [{ log: { level: 'warn', message: 'careful' } }, 'warn: careful\n'],
    [{ error: { code: 'c', message: 'broke', retryable: false } }, 'error: broke\n'],
    [{ metric: { name: 'x', value: 1 } }, ''],
    [{ from_the_future: {} }, ''],
  ])('%j', (payload, line) => {
    expect(new RunPicture(plain).event(event(payload))).toBe(line)
  })
})

describe('what agents write', () => {
  test('cannot command the terminal', () => {
    expect(safe('a\u001b[2Jb\u0007\tc\r\nd\u202ee\u009b')).toBe('a\\u001b[2Jb\\u0007\tc\nd\\u202ee\\u009b')
  })
  test('fits in a line', () => {
    expect(oneLine('one\ntwo')).toBe('one…')
    expect(oneLine('x'.repeat(200), 10)).toBe('xxxxxxxxx…')
  })
})

test('a diff is coloured line by line, and counted', () => {
  const content = 'diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same'
  expect(diffText(content, marked).split('\n')).toEqual([
    '<bold>diff --git a/x b/x</>',
    '<bold>--- a/x</>',
    '<bold>+++ b/x</>',
    '<cyan>@@ -1 +1 @@</>',
    '<red>-old</>',
    '<green>+new</>',
    ' same',
  ])
  const file = {
    path: 'x',
    old_path: null,
    change_type: 'modified',
    additions: 1,
    deletions: 2,
    is_binary: false,
  }
  expect(diffStat({ files: [file] as never }, plain)).toBe('  modified  x  +1 -2\n1 file, +1 -2')
})

test('tables line up, whatever the colours, and fit', () => {
  const red = '\u001b[31mno\u001b[39m'
  expect(table(['A', 'B', 'C'], [['long one', red, 'x']], 80)).toBe(`A         B   C\nlong one  ${red}  x`)
  expect(cut('abcdef', 4)).toBe('abc…')
})

test('ages have one unit', () => {
  const now = Date.parse('2026-01-02T00:00:00Z')
  const times = [
    '2026-01-01T23:59:30Z',
    '2026-01-01T23:10:00Z',
    '2026-01-01T12:00:00Z',
    '2025-12-01T00:00:00Z',
  ]
  expect(times.map((time) => ago(time, now))).toEqual(['30s ago', '50m ago', '12h ago', '32d ago'])
})

describe('an error', () => {
  test.each([
    [new UnreachableError('http://x', 'ECONNREFUSED'), 69, 'UNREACHABLE'],
    [new ApiError(404, { code: 'NOT_FOUND_RUN', message: 'There is no run.' }), 1, 'NOT_FOUND_RUN'],
    [new ApiError(503, { code: 'DRAINING', message: 'stopping', retryable: true }, 3), 1, 'DRAINING'],
    [new UsageError('wrong'), 2, 'USAGE'],
    [new Failed('broke'), 1, 'FAILED'],
    [new Interrupted('left'), 130, 'INTERRUPTED'],
    [new Error('a bug'), 1, 'UNEXPECTED'],
    ['thrown text', 1, 'UNEXPECTED'],
  ])('%s ends with %i', (error, exit, code) => {
    expect(complaintOf(error)).toMatchObject({ exit, code })
    let text = ''
    expect(complain(error, { json: false, write: (written) => (text += written) })).toBe(exit)
    expect(text).toMatch(/^agentctl: .+\n( {2}.+\n)?$/)
    expect(text).not.toContain('.ts:')
  })

  test('with --json is one document on stderr', () => {
    let text = ''
    const error = new ApiError(409, { code: 'STATE_CONFLICT', message: 'moved on', conflicts: ['a'] })
    complain(error, { json: true, write: (written) => (text += written) })
    expect(JSON.parse(text)).toMatchObject({
      error: { code: 'STATE_CONFLICT', message: 'moved on', conflicts: ['a'] },
    })
  })
})

describe('completion', () => {
  const option = (name: string) => ({ name, description: `it's ${name}` })
  const leaf = (name: string, ...options: string[]): CommandTree => ({
    name,
    description: name,
    options: options.map(option),
    commands: [],
  })
  const tree: CommandTree = {
    name: 'agentctl',
    description: '',
    options: [option('--json')],
    commands: [
      { ...leaf('run'), commands: [leaf('create', '--watch', '--prompt'), leaf('list', '--limit')] },
      leaf('doctor', '--project'),
    ],
  }
  const complete = (...words: string[]) => {
    const script = `${completionScript('bash', tree)}
COMP_WORDS=(agentctl "$@"); COMP_CWORD=$#; _agentctl; printf '%s ' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' }).trim()
  }

  test('in bash knows where it is', () => {
    expect(complete('')).toBe('run doctor --json --help')
    expect(complete('ru')).toBe('run')
    expect(complete('run', '')).toBe('create list --json --help')
    expect(complete('run', 'create', '--w')).toBe('--watch')
    expect(complete('--json', 'run', 'create', 'some words', '--p')).toBe('--prompt')
    expect(complete('doctor', '--')).toBe('--project --json --help')
  })

  test('in zsh goes by the same words', () => {
    expect(completionScript('zsh', tree)).toContain('#compdef agentctl')
    expect(completionScript('zsh', tree)).toContain('--watch')
  })

  test('in fish is one line each', () => {
    const lines = completionScript('fish', tree).trim().split('\n')
    expect(lines.every((line) => line.startsWith('complete -c agentctl'))).toBe(true)
    expect(lines).toContain("complete -c agentctl -l json -d 'it\\'s --json'")
    expect(lines.find((line) => line.includes('-l watch'))).toContain('__fish_seen_subcommand_from create')
  })
})
