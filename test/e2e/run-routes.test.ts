/** What can be asked of a run around its work, through the real service and the real CLI. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call, createRun, eventsOf, FINISHED, type Json, runOf, until, untilRun } from '../support/client.ts'
import { GREETER, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

let world: World
let service: RunningService
let root: string
beforeAll(async () => {
  world = await makeWorld('write-file')
  service = await startService(world.env)
  root = join(world.base, 'project')
  mkdirSync(root)
  makeGitProject(root, GREETER)
})
afterAll(async () => {
  await service.end('SIGTERM')
  await world.cleanUp()
})

const get = async (path: string): Promise<Json> => (await call(service.url, 'GET', `/api/v1${path}`)).body
const post = (path: string, body?: Json) => call(service.url, 'POST', `/api/v1${path}`, body)
const isFinished = (run: Json) => FINISHED.includes(run['status'])

test('a run is explained, read, fetched, repeated and deleted', async () => {
  const { id, taskId } = await createRun(service.url, root, { run: { tag: 'a/b' } })
  await untilRun(service.url, id, isFinished)

  const explained = await get(`/runs/${id}/explain`)
  expect(explained).toMatchObject({ run_id: id, status: 'RUN_STATUS_NEEDS_REVIEW', waiting_on: null })
  expect(explained['next_step']).toContain(`/api/v1/runs/${id}/approve`)
  expect(explained['checks'].map(({ name, ok }: Json) => [name, ok])).toEqual([
    ['changes', false],
    ['sandbox', true],
  ])

  const { messages, has_more: hasMore } = await get(`/runs/${id}/messages`)
  expect(hasMore).toBe(false)
  // When a text counts as said is the agent's affair: of text and call either may come first.
  expect(messages.map(({ role, kind }: Json) => `${role} ${kind}`).toSorted()).toEqual([
    'assistant text',
    'assistant text',
    'assistant tool_call',
    'user text',
  ])
  expect(messages[0]).toMatchObject({ text: 'Do it', input: { source: 'prompt' } })
  const [written] = messages.flatMap(({ tool_call: made }: Json) => made ?? [])
  expect(written).toMatchObject({ tool_name: 'write', result: { success: true } })

  const { artifacts } = await get(`/runs/${id}/artifacts`)
  expect(artifacts.map(({ type }: Json) => type)).toEqual(['diff', 'transcript'])
  const range = await fetch(`${service.url}/api/v1/artifacts/${artifacts[0].id}/content`, {
    headers: { range: 'bytes=0-9' },
  })
  expect([range.status, await range.text()]).toEqual([206, 'diff --git'])
  const transcript = await fetch(`${service.url}/api/v1/artifacts/${artifacts[1].id}/content`)
  expect(await transcript.text()).toContain('I wrote greeting.txt.')

  expect((await post(`/runs/${id}/retry`)).status).toBe(409)
  expect((await call(service.url, 'DELETE', `/api/v1/runs/${id}`)).status).toBe(409)
  expect((await post(`/runs/tag/${encodeURIComponent('a/b')}/stop`)).body).toMatchObject({
    status: 'stopped',
    tag: 'a/b',
    run: { id, status: 'RUN_STATUS_CANCELLED' },
  })
  const again = await post(`/runs/${id}/retry`)
  expect(again.status).toBe(201)
  expect(again.body['run']).toMatchObject({ retry_of: id, task_id: taskId, tag: 'a/b' })
  const secondId = again.body['run'].id
  expect((await get(`/runs/tag/${encodeURIComponent('a/b')}`))['run'].id).toBe(secondId)
  expect((await untilRun(service.url, secondId, isFinished))['status']).toBe('RUN_STATUS_NEEDS_REVIEW')

  const folders = join(world.dataDir, 'runs', id)
  expect(existsSync(folders)).toBe(true)
  expect((await call(service.url, 'DELETE', `/api/v1/runs/${id}`)).body).toEqual({ success: true })
  expect((await call(service.url, 'GET', `/api/v1/runs/${id}`)).status).toBe(404)
  expect((await eventsOf(service.url, id)).at(-1)).toMatchObject({ log: { message: 'run deleted by local' } })
  await until(
    'the end of its folders',
    async () => existsSync(folders),
    (there) => !there,
  )

  expect((await post('/runs/stop-all', { tag_prefix: 'a/' })).body).toEqual({
    result: { stopped_count: 1, failures: [] },
  })
  expect((await runOf(service.url, secondId))['status']).toBe('RUN_STATUS_CANCELLED')
  // Two turns of a real CLI, on a machine that may be busy.
}, 180_000)

test('a run that goes off from another begins with its files and its conversation', async () => {
  const { id } = await createRun(service.url, root)
  const parent = await untilRun(service.url, id, isFinished, 120_000)
  const answer = await post(`/runs/${id}/fork`, { message: 'Now look at it.', from_turn: 1 })
  expect(answer.status).toBe(201)
  expect(answer.body['run']).toMatchObject({ fork_of: id, retry_of: null, turn: 1 })
  const forkId = answer.body['run'].id
  const fork = await untilRun(service.url, forkId, isFinished, 120_000)
  expect(fork).toMatchObject({ status: 'RUN_STATUS_NEEDS_REVIEW', resume_mode: 'replayed' })
  const diffOf = async (run: string) => (await get(`/runs/${run}/diff`))['diff'].content
  expect(await diffOf(forkId)).toBe(await diffOf(id))
  expect(parent['status']).toBe('RUN_STATUS_NEEDS_REVIEW')
  const log = await eventsOf(service.url, forkId)
  expect(log.flatMap(({ sandbox }) => sandbox?.action ?? [])).toEqual(['created', 'forked'])
}, 300_000)

test('a dry run says what would come, with the true state of this machine', async () => {
  const task = await post('/tasks', {
    task: { title: 'T', description: 'Do it', scope_path: '.', project_root: root },
  })
  const wish = { task_id: task.body['task'].id, inline_config: { runner_type: 'opencode' } }
  const good = await post('/runs?dry_run=true', wish)
  expect(good.status).toBe(200)
  expect(good.body).toMatchObject({ dry_run: true, ok: true, run_mode: 'RUN_MODE_SANDBOXED' })
  const bad = await post('/runs?dry_run=true', {
    ...wish,
    inline_config: { runner_type: 'claude-code', env: ['DATABASE_URL'] },
  })
  expect(bad.body['ok']).toBe(false)
  const broken = bad.body['checks'].filter(({ ok }: Json) => !ok)
  expect(broken.map(({ name }: Json) => name)).toEqual(expect.arrayContaining(['env', 'provider_access']))
  const total = (await get(`/runs?task_id=${wish.task_id}`))['total']
  expect(total).toBe(0)
})
