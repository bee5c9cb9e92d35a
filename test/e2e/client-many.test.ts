/** The client library watches many runs of the real service, through its end and restart. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Client, createClient, isDelta, type RunEvent } from '../../api/client/index.ts'
import { eventsOf, until } from '../support/client.ts'
import { GREETER, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

let world: World
let service: RunningService
let client: Client
let root: string
beforeAll(async () => {
  world = await makeWorld('many-small')
  service = await startService(world.env)
  world.env['PORT'] = new URL(service.url).port // restarts are found at the same address
  client = createClient({ baseUrl: service.url })
  mkdirSync(join(world.base, 'project'))
  root = makeGitProject(join(world.base, 'project'), GREETER)
})
afterAll(async () => {
  await service.end('SIGTERM')
  await world.cleanUp()
})

const newTask = async () =>
  (await client.tasks.create({ title: 'A task', description: 'Do it', project_root: root })).id

async function newRun(taskId: string, tag?: string): Promise<string> {
  const inline_config = { runner_type: 'opencode', permission_mode: 'bypass', timeout: '120s' } as const
  return (await client.runs.create({ task_id: taskId, inline_config, ...(tag !== undefined && { tag }) })).id
}

/** Reads a watch in the background until `end`. */
function reading(watch: (signal: AbortSignal) => AsyncIterable<RunEvent | { delta: object }>) {
  const abort = new AbortController()
  const seen = new Map<string, RunEvent[]>()
  const done = (async () => {
    for await (const item of watch(abort.signal)) {
      if (isDelta(item as RunEvent)) continue
      const event = item as RunEvent
      seen.set(event.run_id, [...(seen.get(event.run_id) ?? []), event])
    }
  })().catch((error: unknown) => {
    if (!abort.signal.aborted) throw error
  })
  return {
    seen,
    end: async () => {
      abort.abort(new Error('enough'))
      await done
    },
  }
}

const complete = (events: readonly RunEvent[] = []) => events.at(-1)?.status?.new_status === 'complete'

test('each run comes once and whole, those that began while the service was away too', {
  timeout: 180_000,
}, async () => {
  const [mine, other] = [await newTask(), await newTask()]
  const all = reading((signal) => client.runs.watchAll({ signal }))
  const task = reading((signal) => client.runs.watchTask(mine, { signal }))
  const tagged = reading((signal) => client.runs.watchTag('blue-', { signal }))
  const first = await newRun(mine)
  const second = await newRun(other, 'blue-1')
  await until(
    'both at work',
    async () => all.seen,
    (seen) => (seen.get(first)?.length ?? 0) > 5 && (seen.get(second)?.length ?? 0) > 5,
  )

  await service.end('SIGKILL')
  service = await startService(world.env)
  const third = await newRun(mine, 'blue-2')

  await until(
    'the end of all',
    async () => all.seen,
    (seen) => [first, second, third].every((id) => complete(seen.get(id))),
    150_000,
  )
  await until(
    'the end for the others',
    async () => [task.seen, tagged.seen],
    ([ofTask, ofTag]) =>
      complete(ofTask?.get(third)) &&
      complete(ofTag?.get(third)) &&
      complete(ofTask?.get(first)) &&
      complete(ofTag?.get(second)),
  )
  await Promise.all([all.end(), task.end(), tagged.end()])
  for (const id of [first, second, third]) expect(all.seen.get(id)).toEqual(await eventsOf(service.url, id))
  expect(new Set(task.seen.keys())).toEqual(new Set([first, third]))
  expect(new Set(tagged.seen.keys())).toEqual(new Set([second, third]))
  for (const id of task.seen.keys()) expect(task.seen.get(id)).toEqual(all.seen.get(id))
  for (const id of tagged.seen.keys()) expect(tagged.seen.get(id)).toEqual(all.seen.get(id))
})
