/** The real agentctl against the real service. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { agentctl, startAgentctl } from '../support/agentctl.ts'
import { eventsOf, runOf, until } from '../support/client.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

let world: World
let service: RunningService
let env: Record<string, string>
beforeAll(async () => {
  world = await makeWorld('demo')
  service = await startService(world.env)
  env = { AGENT_MANAGER_URL: service.url, AGENT_MANAGER_DATA_DIR: world.dataDir }
})
afterAll(async () => {
  await service.end('SIGTERM')
  await world.cleanUp()
})

function project(name: string): string {
  mkdirSync(join(world.base, name))
  return makeGitProject(join(world.base, name), GREETER)
}

const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await agentctl([...args, '--json'], env)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return JSON.parse(stdout)
}

describe('the main job', { timeout: 150_000 }, () => {
  test('from init to the commit', async () => {
    const root = project('main job')
    const begun = await json('init', '--project', root, '--task', 'Greet the world', '--no-watch')
    expect(begun).toMatchObject({ profile: { profile_key: 'default' }, task: { created_by: 'ada' } })
    const { id } = begun.run

    const watched = await agentctl(['run', 'watch', id], env)
    expect(watched.code).toBe(0)
    expect(watched.stdout).toContain('> Greet the world\n')
    expect(watched.stdout).toMatch(/^· needs review/m)
    expect(watched.stdout).not.toContain('\u001b')
    expect(watched.stderr).toContain(`agentctl run approve ${id}`)

    const log = await eventsOf(service.url, id)
    const lines = (await agentctl(['run', 'watch', id, '--json', '--after', '3'], env)).stdout
      .trim()
      .split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual(log.slice(3))

    const { diff } = await json('run', 'diff', id)
    expect((await agentctl(['run', 'diff', id], env)).stdout).toBe(`${diff.content.trimEnd()}\n`)
    expect((await agentctl(['run', 'diff', id, '--stat'], env)).stdout).toContain('2 files, +14 -1')

    const stale = await agentctl(['run', 'approve', id, '--digest', 'sha256:other'], env)
    expect(stale.code).toBe(1)
    expect(stale.stderr).toContain(`agentctl run diff`)
    const approved = await agentctl(['run', 'approve', id, '--digest', diff.digest, '-m', 'Greet'], env)
    expect(approved.stdout).toMatch(/^Applied 2 files, commit [0-9a-f]{12}\.\n$/)
    expect(git(root, 'log', '-1', '--format=%an %s').trim()).toBe('ada Greet')
    const late = await agentctl(['run', 'reject', id, '--json'], env)
    expect(late.code).toBe(1)
    expect(JSON.parse(late.stderr)).toMatchObject({ error: { code: 'STATE_TERMINAL' } })

    const said = await agentctl(['run', 'messages', id], env)
    expect(said.stdout).toContain('> Greet the world\n')
    expect(said.stdout).toMatch(/^edit .*greet\.js$/m)
    const explained = await agentctl(['run', 'explain', id], env)
    expect(explained.stdout).toMatch(/^complete\n(.*\n)*Next: /)

    const { runs } = await json('run', 'list', '--status', 'complete')
    expect(runs.map((run: { id: string }) => run.id)).toContain(id)
    const table = await agentctl(['run', 'list'], env)
    expect(table.stdout).toContain(`${id}  complete`)
  })

  test('in one command, and rejected', async () => {
    const root = project('rejected')
    const made = await agentctl(
      [
        'run',
        'create',
        '--project',
        root,
        '--prompt',
        'Greet',
        '--runner',
        'opencode',
        '--tag',
        'once',
        '--watch',
      ],
      env,
    )
    expect(made.code).toBe(0)
    const id = /^Run (\S+)/.exec(made.stdout)?.[1] ?? ''
    const shown = await agentctl(['run', 'get', id], env)
    expect(shown.stdout).toMatch(/^status +needs review$/m)
    const rejected = await agentctl(['run', 'reject', id, '--reason', 'no'], env)
    expect(rejected.stdout).toContain('nothing was changed')
    expect(git(root, 'rev-list', '--count', 'HEAD').trim()).toBe('1')

    const task = (await runOf(service.url, id))['task_id']
    const retried = await json('run', 'retry', id, '--tag', 'again')
    expect(retried.run).toMatchObject({ retry_of: id, tag: 'again' })
    const all = await agentctl(['run', 'stop-all', '--tag', 'again', '--yes'], env)
    expect(all.stdout).toBe('Stopped: 1.\n')
    const trial = await agentctl(['run', 'create', '--task', task, '--runner', 'opencode', '--dry-run'], env)
    expect([trial.code, trial.stdout]).toEqual([0, expect.stringContaining('would be taken')])
    const refused = await agentctl(
      ['run', 'create', '--task', task, '--runner', 'claude-code', '--dry-run'],
      env,
    )
    expect([refused.code, refused.stderr]).toEqual([1, ''])
    expect(refused.stdout).toContain('would be refused')
  })

  test('Ctrl-C leaves the run going and says how to come back', async () => {
    const root = project('left')
    const { run } = await json(
      'run',
      'create',
      '--project',
      root,
      '--prompt',
      'Greet',
      '--runner',
      'opencode',
    )
    const watching = startAgentctl(['run', 'watch', run.id], env)
    await until(
      'the first line',
      async () => watching.stdout(),
      (text) => text.includes('\n'),
    )
    watching.child.kill('SIGINT')
    const { code, stderr } = await watching.ended
    expect(code).toBe(130)
    expect(stderr).toMatch(
      new RegExp(`^agentctl: The run goes on. Come back with: agentctl run watch ${run.id} --after \\d+\n$`),
    )
    expect(['RUN_STATUS_CANCELLED', 'RUN_STATUS_FAILED']).not.toContain(
      (await runOf(service.url, run.id))['status'],
    )
    const stopped = await agentctl(['run', 'stop', run.id], env)
    expect([0, 1]).toContain(stopped.code)
    const ended = await agentctl(['run', 'watch', run.id], env)
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('cancelled')
  })
})

describe('nouns', () => {
  test('profile: ensure, get', async () => {
    const made = await json(
      'profile',
      'ensure',
      'careful',
      '--runner',
      'claude-code',
      '--mode',
      'ask',
      '--set',
      'max_turns=7',
    )
    expect(made).toMatchObject({ created: true, profile: { permission_mode: 'ask', max_turns: 7 } })
    const shown = await agentctl(['profile', 'get', made.profile.id], env)
    expect(shown.stdout).toMatch(/^profile_key +careful$/m)
    const wrong = await agentctl(['profile', 'ensure', 'wrong', '--mode', 'reckless'], env)
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('permission_mode')
  })

  test('profile: list, update, versions, archive and back', async () => {
    await json('profile', 'create', 'changing', '--model', 'one')
    const updated = await agentctl(['profile', 'update', 'changing', '--model', 'two'], env)
    expect(updated.stdout).toBe('Profile changing is at version 2.\n')
    const { versions } = await json('profile', 'versions', 'changing')
    expect(versions.map((one: { model: string }) => one.model).sort()).toEqual(['one', 'two'])
    const keys = async () =>
      (await json('profile', 'list')).profiles.map((one: { profile_key: string }) => one.profile_key)
    expect(await keys()).toContain('changing')
    await json('profile', 'archive', 'changing')
    expect(await keys()).not.toContain('changing')
    await json('profile', 'archive', 'changing', '--undo')
    expect(await keys()).toContain('changing')
  })

  test('task: create, get, list, cancel, delete', async () => {
    const { task } = await json('task', 'create', '--title', 'A task', '--project', project('a task'))
    expect((await agentctl(['task', 'get', task.id], env)).stdout).toContain('title    A task')
    expect((await agentctl(['task', 'list'], env)).stdout).toContain(task.id)
    expect((await json('task', 'cancel', task.id)).task.status).toBe('TASK_STATUS_CANCELLED')
    expect(await json('task', 'delete', task.id)).toEqual({ deleted: task.id })
    expect((await agentctl(['task', 'get', task.id], env)).code).toBe(1)
  })

  test('runner: list', async () => {
    expect((await agentctl(['runner', 'list'], env)).stdout).toMatch(/^opencode +ready/m)
  })
})

describe('the edges', () => {
  test.each([
    [['run', 'get', 'nonsense'], 1, 'agentctl run list'],
    [['run', 'create'], 2, '--prompt'],
    [['run', 'stop-all'], 2, '--yes'],
    [['init'], 2, '--task'],
    [['run', 'watch', 'x', '--after', 'soon'], 2, 'whole number'],
    [['frobnicate'], 2, 'unknown command'],
    [['run', 'list', '--url', 'nonsense'], 2, '--url'],
    [['run', 'list', '--url', 'http://127.0.0.1:9'], 69, 'agentctl doctor'],
  ])('%j ends with %i', async (args, code, words) => {
    const ended = await agentctl(args, env)
    expect(ended.code).toBe(code)
    expect(ended.stderr).toContain(words)
    expect(ended.stderr).not.toMatch(/\bat .+:\d+:\d+/)
    expect(ended.stdout).toBe('')
  })

  test('the script for the shell is a program of that shell', async () => {
    const { stdout, code } = await agentctl(['completion', 'bash'], env)
    expect(code).toBe(0)
    expect(stdout).toContain('complete -o default -F _agentctl agentctl')
  })

  test('cleanup only lists on a dry run, and removes when told to', async () => {
    const listed = await json('cleanup', '--dry-run', '--older-than', '0')
    expect(listed.leftovers.map((one: { kind: string }) => one.kind)).toContain('run')
    expect((await json('run', 'list')).runs.length).toBeGreaterThan(0)
    const refused = await agentctl(['cleanup', '--older-than', '0'], env)
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--yes')])
    const { removed, failures } = await json('cleanup', '--older-than', '0', '--yes')
    expect(failures).toEqual([])
    expect(removed).toBeGreaterThanOrEqual(
      listed.leftovers.filter((one: { kind: string }) => one.kind === 'run').length,
    )
    expect((await json('run', 'list', '--status', 'complete')).runs).toEqual([])
  })
})
