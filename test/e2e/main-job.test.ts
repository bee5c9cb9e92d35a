/** The main job through the real service, the real CLI and real Postgres, as a client sees it. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  call,
  createRun,
  eventsOf,
  FINISHED,
  type Json,
  runOf,
  until,
  untilRun,
  watchRun,
} from '../support/client.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

let world: World
let service: RunningService
beforeAll(async () => {
  world = await makeWorld('demo')
  service = await startService(world.env)
})
afterAll(async () => {
  await service.end('SIGTERM')
  await world.cleanUp()
})

const project = (name: string) => {
  mkdirSync(join(world.base, name))
  return makeGitProject(join(world.base, name), GREETER)
}
const isFinished = (run: Json) => FINISHED.includes(run['status'])

describe('a run', () => {
  test('is watched live, reviewed after a restart, approved, committed, and leaves nothing behind', async () => {
    const root = project('approved one')
    const { id, taskId } = await createRun(service.url, root)
    const watch = await watchRun(service.url, id, 0)
    const run = await untilRun(service.url, id, isFinished)
    expect(run).toMatchObject({
      status: 'RUN_STATUS_NEEDS_REVIEW',
      approval_state: 'APPROVAL_STATE_PENDING',
      turn: 1,
      attempt: 1,
    })
    expect(run['diff']).toMatchObject({ files: 2, additions: 14, deletions: 1 })
    expect(git(root, 'status', '--porcelain')).toBe('')

    // What was streamed is the log, from 1 without a gap, and ends with the closing status.
    const log = await eventsOf(service.url, id)
    await until(
      'the live tail',
      async () => watch.events(),
      (events) => events.length >= log.length,
    )
    expect(watch.events()).toEqual(log)
    expect(log.map((event) => event['sequence'])).toEqual(log.map((_, index) => index + 1))
    expect(log.at(-1)).toMatchObject({ status: { new_status: 'needs_review' } })
    expect(JSON.stringify(log)).not.toContain('secret-model-key-1')
    const names = log.map((event) => event['event_type'])
    expect(names).toEqual(
      expect.arrayContaining([
        'RUN_EVENT_TYPE_MESSAGE',
        'RUN_EVENT_TYPE_TOOL_CALL',
        'RUN_EVENT_TYPE_TOOL_RESULT',
        'RUN_EVENT_TYPE_METRIC',
        'RUN_EVENT_TYPE_INPUT',
      ]),
    )

    expect((await service.end('SIGTERM')).code).toBe(0)
    expect((await watch.closed).code).toBe(1012)
    service = await startService(world.env)
    expect(await eventsOf(service.url, id)).toEqual(log)

    const diff = (await call(service.url, 'GET', `/api/v1/runs/${id}/diff`)).body['diff']
    const approved = await call(service.url, 'POST', `/api/v1/runs/${id}/approve`, {
      actor: 'Ada Lovelace <ada@example.org>',
      commit_msg: 'Greet the world',
      digest: diff.digest,
    })
    expect(approved.body['result']).toMatchObject({ success: true, files_applied: 2, is_partial: false })
    expect(approved.body['run']).toMatchObject({
      status: 'RUN_STATUS_COMPLETE',
      approval_state: 'APPROVAL_STATE_APPROVED',
      phase: 'RUN_PHASE_COMPLETED',
      progress_percent: 100,
    })
    expect(git(root, 'log', '-1', '--format=%H%n%an <%ae>%n%cn <%ce>%n%B').trim()).toBe(
      [
        approved.body['result'].commit_hash,
        'Ada Lovelace <ada@example.org>',
        'agent-manager <noreply@agent-manager.local>',
        'Greet the world',
        '',
        `Agent-Manager-Run: ${id}`,
        `Agent-Manager-Task: ${taskId}`,
        'Approved-by: Ada Lovelace <ada@example.org>',
      ].join('\n'),
    )
    expect(git(root, 'status', '--porcelain')).toBe('')
    expect(readFileSync(join(root, 'src/greet.js'), 'utf8')).toContain("|| 'world'")

    const again = await call(service.url, 'POST', `/api/v1/runs/${id}/approve`, {})
    expect(again.body['result'].commit_hash).toBe(approved.body['result'].commit_hash)
    expect(git(root, 'rev-list', '--count', 'HEAD').trim()).toBe('2')
    expect((await call(service.url, 'GET', `/api/v1/tasks/${taskId}`)).body['task'].status).toBe(
      'TASK_STATUS_APPROVED',
    )
    await until(
      'the cleanup',
      async () => leftovers(id),
      (left) => left.length === 0,
    )
  })

  test('that is rejected leaves the project as it was', async () => {
    const root = project('rejected')
    const { id } = await createRun(service.url, root)
    await untilRun(service.url, id, isFinished)

    const rejected = await call(service.url, 'POST', `/api/v1/runs/${id}/reject`, {
      actor: 'ada',
      reason: 'no',
    })

    expect(rejected.body['run']).toMatchObject({
      status: 'RUN_STATUS_COMPLETE',
      approval_state: 'APPROVAL_STATE_REJECTED',
    })
    expect(git(root, 'rev-list', '--count', 'HEAD').trim()).toBe('1')
    expect(git(root, 'status', '--porcelain')).toBe('')
    const late = await call(service.url, 'POST', `/api/v1/runs/${id}/approve`, {})
    expect([late.status, late.body['code']]).toEqual([409, 'STATE_TERMINAL'])
    await until(
      'the cleanup',
      async () => leftovers(id),
      (left) => left.length === 0,
    )
  })

  test('whose profile requires no approval lands by itself', async () => {
    const root = project('unreviewed')
    const { id } = await createRun(service.url, root, { profile: { requires_approval: false } })

    const run = await untilRun(service.url, id, (now) => now['status'] === 'RUN_STATUS_COMPLETE')

    expect(run).toMatchObject({ approval_state: 'APPROVAL_STATE_NONE' })
    expect(git(root, 'log', '-1', '--format=%an %s').trim()).toBe('agent-manager A task')
  })

  test('cannot be approved once the project has changed under it', async () => {
    const root = project('moved on')
    const { id } = await createRun(service.url, root)
    await untilRun(service.url, id, isFinished)
    const before = "export function greet() {\n  return 'somebody was faster'\n}\n"
    await import('node:fs/promises').then((fs) => fs.writeFile(join(root, 'src/greet.js'), before))

    const answer = await call(service.url, 'POST', `/api/v1/runs/${id}/approve`, {})

    expect(answer.status, JSON.stringify(answer.body)).toBe(409)
    expect(['STATE_CONFLICT', 'STATE_PROJECT_DIRTY']).toContain(answer.body['code'])
    expect(readFileSync(join(root, 'src/greet.js'), 'utf8')).toBe(before)
    expect(existsSync(join(root, 'test'))).toBe(false)
    expect(await runOf(service.url, id)).toMatchObject({ status: 'RUN_STATUS_NEEDS_REVIEW' })
    git(root, 'checkout', '--', '.')
    expect((await call(service.url, 'POST', `/api/v1/runs/${id}/approve`, {})).status).toBe(200)
  })

  test('in place changes the project itself, without a diff or a decision', async () => {
    const root = project('in place')
    const { id } = await createRun(service.url, root, {
      profile: { permission_mode: 'bypass' },
      run: { run_mode: 'in_place' },
    })

    const run = await untilRun(service.url, id, isFinished)

    expect(run).toMatchObject({
      status: 'RUN_STATUS_COMPLETE',
      approval_state: 'APPROVAL_STATE_NONE',
      sandbox_id: null,
    })
    expect(git(root, 'status', '--porcelain').trim().split('\n')).toEqual(['M src/greet.js', '?? test/'])
    const diff = await call(service.url, 'GET', `/api/v1/runs/${id}/diff`)
    const approve = await call(service.url, 'POST', `/api/v1/runs/${id}/approve`)
    expect([diff.body['code'], approve.body['code']]).toEqual(['STATE_NO_DIFF', 'STATE_TERMINAL'])
    await until(
      'the cleanup',
      async () => leftovers(id),
      (left) => left.length === 0,
    )
  })

  test('with the operator’s home keeps the CLI’s own folders there and writes nothing else of it', async () => {
    const { id } = await createRun(service.url, project('own home'), { profile: { home: 'user' } })

    const run = await untilRun(service.url, id, isFinished)

    expect(run).toMatchObject({ status: 'RUN_STATUS_NEEDS_REVIEW' })
    const home = join(world.base, 'home')
    expect(existsSync(join(home, '.local/share/opencode'))).toBe(true)
    expect(readdirSync(home).filter((name) => !['.local', '.config', '.cache'].includes(name))).toEqual([])
    await call(service.url, 'POST', `/api/v1/runs/${id}/reject`)
  })
})

/** What a run has left: processes, and folders but for its home, which a continuation needs. */
function leftovers(runId: string): string[] {
  const folder = join(world.dataDir, 'runs', runId)
  const folders = existsSync(folder) ? readdirSync(folder).filter((name) => name !== 'home') : []
  const marked = execFileSync(
    'sh',
    ['-c', 'cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep ^AGENT_MANAGER_RUN= || true'],
    { encoding: 'utf8' },
  )
  return [...folders, ...marked.split('\n').filter((line) => line.includes(runId))]
}
