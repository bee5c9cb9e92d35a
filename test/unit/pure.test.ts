import { describe, expect, test } from 'vitest'
import { commitAuthor, commitMessage } from '../../internal/approval/commit-message.ts'
import { ConfigError, readConfig } from '../../internal/config.ts'
import { formatDuration, parseDuration } from '../../internal/duration.ts'
import { agentEnvironment, agentPath } from '../../internal/engine/agent-environment.ts'
import { exhausted } from '../../internal/engine/lost-attempts.ts'
import { endOfTurn } from '../../internal/engine/turn-end.ts'
import { createRedactor } from '../../internal/event/redactor.ts'
import { resolveConfig } from '../../internal/run/resolve-config.ts'
import { renderPrompt, taskStatus } from '../../internal/task/task.ts'

describe('durations', () => {
  test.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['250ms', 250],
    ['', null],
    ['90', null],
    ['-1s', null],
    ['1d', null],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms))

  test('go out as seconds', () =>
    expect([formatDuration(1_800_000), formatDuration(1500)]).toEqual(['1800s', '1.5s']))
})

describe('the commit', () => {
  test.each([
    [null, 'agent-manager <noreply@agent-manager.local>'],
    ['  ', 'agent-manager <noreply@agent-manager.local>'],
    ['ada', 'ada <ada@agent-manager.local>'],
    ['Ada L <ada@x.org>', 'Ada L <ada@x.org>'],
    ['Eve\nCo-authored-by: x <y@z>', 'Eve Co-authored-by: x <y@z>'],
    ['<>', 'agent-manager <agent-manager@agent-manager.local>'],
  ])('author %j', (actor, author) => expect(commitAuthor(actor)).toBe(author))

  test('ends with trailers that an approver’s name cannot forge', () => {
    const text = commitMessage({
      message: 'Do it',
      taskTitle: 't',
      runId: 'r',
      taskId: 'k',
      approver: 'eve\nSigned-off-by: ada',
    })

    expect(text).toBe(
      'Do it\n\nAgent-Manager-Run: r\nAgent-Manager-Task: k\nApproved-by: eve Signed-off-by: ada\n',
    )
  })
})

describe('configuration', () => {
  const base = { HOME: '/home/x' }

  test('has a default for everything', () => {
    expect(readConfig(base)).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      database: null,
      sandboxUrl: null,
      dataDir: '/home/x/.local/state/agent-manager',
    })
    expect(readConfig(base).levers).toMatchObject({
      EXECUTION_LEASE_TTL: 60_000,
      SAFETY_REQUIRE_SANDBOX: true,
      SAFETY_PROJECT_ROOTS: [],
    })
  })

  test.each([
    [{ PORT: 'x' }, 'PORT'],
    [{ HOST: '0.0.0.0' }, 'HOST'],
    [{ DATABASE_URL: 'mysql://x' }, 'DATABASE_URL'],
    [{ DATABASE_MIGRATION_URL: 'postgres://x' }, 'DATABASE_MIGRATION_URL'],
    [{ WORKSPACE_SANDBOX_URL: 'ftp://x' }, 'WORKSPACE_SANDBOX_URL'],
    [{ AGENT_MANAGER_DATA_DIR: 'relative' }, 'AGENT_MANAGER_DATA_DIR'],
    [{ AGENT_MANAGER_NO_SUCH_THING: '1' }, 'AGENT_MANAGER_NO_SUCH_THING'],
    [{ AGENT_MANAGER_EXECUTION_LEASE_TTL: '1s' }, 'AGENT_MANAGER_EXECUTION_LEASE_TTL'],
    [{ AGENT_MANAGER_SAFETY_REQUIRE_SANDBOX: 'yes' }, 'AGENT_MANAGER_SAFETY_REQUIRE_SANDBOX'],
    [{ AGENT_MANAGER_SAFETY_PROJECT_ROOTS: 'relative' }, 'AGENT_MANAGER_SAFETY_PROJECT_ROOTS'],
    [{ AGENT_MANAGER_CONFIG: '/does/not/exist' }, 'AGENT_MANAGER_CONFIG'],
    [{ AGENT_MANAGER_AUTH: 'maybe' }, 'AGENT_MANAGER_AUTH'],
    [{ HOME: '' }, 'HOME'],
  ])('refuses %j by name', (change, key) => {
    try {
      readConfig({ ...base, ...change })
      expect.unreachable('a bad configuration was taken')
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError)
      expect(error instanceof ConfigError && error.faults.some((fault) => fault.startsWith(key))).toBe(true)
    }
  })

  test('names every fault at once and repeats no value', () => {
    const secret = 'hunter2-hunter2'
    expect(() => readConfig({ ...base, PORT: secret, DATABASE_URL: secret })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) }),
    )
  })
})

describe('an agent’s environment', () => {
  test('is built from nothing', () => {
    const service = {
      PATH: '/x/node_modules/.bin:/usr/bin',
      HOME: '/root',
      DATABASE_URL: 'postgres://u:p@h/d',
      MY_TOKEN: 'abcdefgh-1',
      LD_PRELOAD: 'x',
      LANG: 'de_DE.UTF-8',
    }
    const config = { ...resolve({}).config, env: ['MY_TOKEN', 'DATABASE_URL', 'LD_PRELOAD', 'ABSENT'] }
    const redactor = createRedactor()

    const env = agentEnvironment({ config, home: '/h', tmp: '/t', marker: 'm', service, redactor })

    expect(env).toEqual({
      MY_TOKEN: 'abcdefgh-1',
      PATH: '/usr/bin',
      HOME: '/h',
      TMPDIR: '/t',
      LANG: 'de_DE.UTF-8',
      AGENT_MANAGER_RUN: 'm',
    })
    expect(redactor.redact('say abcdefgh-1')).toBe('say ***')
    expect(agentPath(undefined)).toBe('/usr/local/bin:/usr/bin:/bin')
  })
})

const levers = { maxTurns: 100, timeoutMs: 1_800_000, requiresSandbox: true, requiresApproval: true }
const resolve = (inline: object, profile: object = {}, mode: 'sandboxed' | 'in_place' | null = null) =>
  resolveConfig(inline, profile, levers, { mode, hasProviderAccess: () => false })

describe('the resolved configuration', () => {
  test('takes inline over profile over lever over default, and says which', () => {
    const { config, sources } = resolve({ maxTurns: 7 }, { maxTurns: 3, model: 'p/m' })

    expect(config).toMatchObject({
      maxTurns: 7,
      model: 'p/m',
      timeoutMs: 1_800_000,
      permissionMode: 'auto',
      home: 'user',
    })
    expect(sources).toMatchObject({
      maxTurns: 'inline',
      model: 'profile',
      timeoutMs: 'lever',
      permissionMode: 'default',
    })
  })

  test('asks in place and goes on by itself in a sandbox', () => {
    expect([
      resolve({}, {}, 'in_place').config.permissionMode,
      resolve({}, {}, 'sandboxed').config.permissionMode,
    ]).toEqual(['ask', 'auto'])
  })
})

describe('the end of a turn', () => {
  const usage = {
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 0,
    cacheCreationTokens: 0,
    totalCostUsd: null,
  }
  const completed = { kind: 'completed', summary: '', usage, turnsUsed: 1, sessionId: null } as const
  const diff = { digest: 'd', files: 1, additions: 1, deletions: 0 }

  test.each([
    [
      'changes in a sandbox wait for a decision',
      { outcome: completed, aborted: null, mode: 'sandboxed', diff },
      ['needs_review', 'pending'],
    ],
    [
      'nothing changed is complete',
      { outcome: completed, aborted: null, mode: 'sandboxed', diff: { ...diff, files: 0 } },
      ['complete', 'none'],
    ],
    [
      'in place holds nothing back',
      { outcome: completed, aborted: null, mode: 'in_place', diff: null },
      ['complete', 'none'],
    ],
    [
      'a stop outranks a good end',
      { outcome: completed, aborted: 'stop', mode: 'sandboxed', diff },
      ['cancelled', 'none'],
    ],
    [
      'the wall clock fails it',
      {
        outcome: { kind: 'stopped', usage, sessionId: null },
        aborted: 'wall_timeout',
        mode: 'sandboxed',
        diff,
      },
      ['failed', 'none'],
    ],
    [
      'an unasked stop is a crash',
      { outcome: { kind: 'stopped', usage, sessionId: null }, aborted: null, mode: 'sandboxed', diff },
      ['failed', 'none'],
    ],
  ] as const)('%s', (_, facts, [status, approvalState]) => {
    expect(endOfTurn(facts)).toMatchObject({ status, approvalState })
  })

  test.each(['wall_timeout', 'idle_timeout'] as const)(
    'of a %s says timeout, which clients look for',
    (aborted) => {
      const outcome = { kind: 'stopped', usage, sessionId: null } as const

      const { failure } = endOfTurn({ outcome, aborted, mode: 'in_place', diff: null })

      expect(failure?.message).toContain('timeout')
    },
  )
})

describe('a run that was lost', () => {
  test.each([
    [2, 1, false, null],
    [3, 2, false, 'attempts_exhausted'],
    [4, 3, false, 'attempts_exhausted'],
    // It came further each time.
    [3, 2, true, null],
    [1, 8, true, null],
    [1, 9, true, 'attempts_exhausted'],
  ])('at attempt %i, %i times before, progress %s: %s', (turn_attempt, before, keepsProgress, code) =>
    expect(exhausted({ turn_attempt }, { before }, keepsProgress)?.code ?? null).toBe(code),
  )
})

describe('tasks', () => {
  test('have the status of their newest run', () => {
    expect(taskStatus(null, false)).toBe('queued')
    expect(taskStatus(null, true)).toBe('cancelled')
    expect(taskStatus({ status: 'complete', approvalState: 'rejected' }, true)).toBe('rejected')
    expect(taskStatus({ status: 'complete', approvalState: 'none' }, false)).toBe('approved')
  })

  test('render attachments after the prompt, attributes escaped', () => {
    const attachment = {
      type: 'note',
      key: 'a"b',
      tags: ['x', 'y'],
      path: null,
      url: null,
      content: 'text',
      label: null,
    } as const

    expect(renderPrompt('Do', [attachment])).toBe(
      'Do\n\n<context key="a&quot;b" type="note" tags="x,y">text</context>',
    )
  })
})
