/** What an agent can and cannot do from inside its sandbox: real shell commands of a real CLI. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRun, eventsOf, FINISHED, type Json, untilRun } from '../support/client.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

const COMMANDS = {
  'reads the history': 'git log --oneline && git status --short && git -c gc.auto=0 show HEAD:README.md',
  'commits, branches and installs hooks':
    'echo x > new.txt && git add -A && git commit -qm mine && git checkout -qb mine && mkdir -p .git/hooks && echo "exit 1" > .git/hooks/pre-commit && git log --oneline',
  'reads the operator’s home': 'cat "$OPERATOR_HOME/secret.txt"',
  'lists the data folder': 'ls "$DATA_FOLDER" && cat "$DATA_FOLDER/postgres/password"',
  'writes to the project': 'echo hacked > "$PROJECT/README.md"',
  'writes to the system': 'echo x > /etc/agent-was-here',
  'dumps its environment': 'env | sort',
  'looks for other processes': 'cat /proc/[0-9]*/cmdline | tr "\\0" " "',
} as const
type Command = keyof typeof COMMANDS

let world: World
let service: RunningService
let outputs: Record<string, { success: boolean; text: string }>
let contained: string
let project: string

beforeAll(async () => {
  const names = Object.keys(COMMANDS)
  const steps = [
    ...Object.values(COMMANDS).map((command) => ({ tool_calls: [{ tool: 'shell', command }] })),
    { text: 'Done.' },
  ]
  world = await makeWorld({ name: 'containment', steps })
  const home = join(world.base, 'home')
  mkdirSync(join(home, 'project'), { recursive: true })
  writeFileSync(join(home, 'secret.txt'), 'the operator’s secret')
  project = makeGitProject(join(home, 'project'), GREETER)
  service = await startService({
    ...world.env,
    OPERATOR_HOME: home,
    DATA_FOLDER: world.dataDir,
    PROJECT: project,
    CANARY_TOKEN: 'canary-value-1',
    DATABASE_PASSWORD: 'canary-value-2',
  })
  const { id } = await createRun(service.url, project, {
    profile: { permission_mode: 'bypass', env: ['OPERATOR_HOME', 'DATA_FOLDER', 'PROJECT'] },
  })
  const run = await untilRun(service.url, id, (now) => FINISHED.includes(now['status']), 120_000)
  contained = run['contained']
  const events = await eventsOf(service.url, id)
  const results = events.flatMap((event): Json[] => ('tool_result' in event ? [event['tool_result']] : []))
  outputs = Object.fromEntries(
    names.map((name, index) => [
      name,
      {
        success: results[index]?.['success'],
        text: `${results[index]?.['output']} ${results[index]?.['error']}`,
      },
    ]),
  )
}, 180_000)
afterAll(async () => {
  await service.end('SIGTERM')
  await world.cleanUp()
})

const of = (command: Command) => outputs[command] ?? { success: false, text: 'did not run' }

describe('an agent', () => {
  test('has git metadata of its own that works, whatever lies around it', () => {
    expect(of('reads the history')).toMatchObject({
      success: true,
      text: expect.stringMatching(/first\n[\s\S]*# Greeter/),
    })
    expect(of('commits, branches and installs hooks')).toMatchObject({
      success: true,
      text: expect.stringContaining('mine'),
    })
    expect(git(project, 'log', '--all', '--format=%s').trim()).toBe('first')
    expect(git(project, 'branch', '--format=%(refname:short)').trim()).toBe('main')
    expect(existsSync(join(project, '.git/hooks/pre-commit'))).toBe(false)
  })

  test('gets an environment without anything it was not given', () => {
    const { text } = of('dumps its environment')
    expect(text).toContain('AGENT_MANAGER_RUN=')
    expect(text).toContain('OPENCODE_SERVER_PASSWORD=***')
    expect(text).not.toMatch(/canary-value|DATABASE_|AGENT_MANAGER_DATA_DIR|secret-model-key/)
  })

  const held = (name: string, check: () => void) =>
    test(name, ({ skip }) => {
      // Decided by what the service itself reports, so that a machine without bubblewrap says what it did not test.
      skip(contained !== 'full', `contained: ${contained}; install bubblewrap to test this`)
      check()
    })

  held('cannot see the operator’s home or the data folder', () => {
    expect(of('reads the operator’s home').success).toBe(false)
    expect(of('reads the operator’s home').text).not.toContain('the operator’s secret')
    expect(of('lists the data folder').text).toContain('No such file')
  })

  held('cannot write to the project or the system', () => {
    expect(of('writes to the project').success).toBe(false)
    expect(of('writes to the system').success).toBe(false)
    expect(git(project, 'status', '--porcelain')).toBe('')
    expect(existsSync('/etc/agent-was-here')).toBe(false)
  })

  held('sees no process but its own', () => {
    expect(of('looks for other processes').text).toContain('opencode')
    expect(of('looks for other processes').text).not.toContain('agent-manager/main.ts')
  })
})
