/** The neighbours die under a run: the database in the middle of it, the sandbox service before the approval. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call, createRun, eventsOf, FINISHED, until, untilRun, watchRun } from '../support/client.ts'
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

test('a run, its log and its watcher outlive kill -9 of database and sandbox service', async () => {
  const root = join(world.base, 'project')
  mkdirSync(root)
  makeGitProject(root, GREETER)
  const { id } = await createRun(service.url, root)
  const watch = await watchRun(service.url, id, 0)
  await until(
    'the first tool',
    () => eventsOf(service.url, id),
    (events) => events.some((event) => 'tool_call' in event),
  )

  const pidFile = join(world.dataDir, 'postgres/data/postmaster.pid')
  process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGKILL')

  const answer = await call(service.url, 'GET', `/api/v1/runs/${id}`)
  expect([200, 503]).toContain(answer.status) // it may be back already
  if (answer.status === 503) expect(answer.body['code']).toBe('DATABASE_CONNECTION')
  const run = await untilRun(service.url, id, (now) => FINISHED.includes(now?.['status']))
  expect(run).toMatchObject({ status: 'RUN_STATUS_NEEDS_REVIEW', attempt: 1 })
  const log = await eventsOf(service.url, id)
  expect(log.map((event) => event['sequence'])).toEqual(log.map((_, index) => index + 1))
  await until(
    'the live tail',
    async () => watch.events(),
    (events) => events.length >= log.length,
  )
  expect(watch.events()).toEqual(log)
  watch.close()

  const sandboxPid = Number(/"sandbox_pid":(\d+)/.exec(service.log())?.[1])
  process.kill(sandboxPid, 'SIGKILL')
  const approved = await until(
    'the approval',
    () => call(service.url, 'POST', `/api/v1/runs/${id}/approve`, { actor: 'ada' }),
    ({ status }) => status === 200,
  )
  expect(approved.body['result']).toMatchObject({ success: true, files_applied: 2 })
  expect(git(root, 'rev-list', '--count', 'HEAD').trim()).toBe('2')
})
