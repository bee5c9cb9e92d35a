/** The client library against the real service: watches that outlive it, slow consumers, aborts, the examples. */
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ApiError,
  type Client,
  createClient,
  isDelta,
  NO_EVENTS,
  type RunEvent,
  reduceRun,
} from '../../api/client/index.ts'
import { createRun, eventsOf } from '../support/client.ts'
import { GREETER, git, makeGitProject } from '../support/project.ts'
import { makeWorld, type RunningService, startService, type World } from '../support/service.ts'

let world: World
let service: RunningService
let client: Client
beforeAll(async () => {
  world = await makeWorld('many-small')
  service = await startService(world.env)
  world.env['PORT'] = new URL(service.url).port // restarts are found at the same address
  client = createClient({ baseUrl: service.url })
})
afterAll(async () => {
  await service.end('SIGTERM')
  await world.cleanUp()
})

async function newRun(name: string): Promise<string> {
  mkdirSync(join(world.base, name))
  const root = makeGitProject(join(world.base, name), GREETER)
  const more = { profile: { permission_mode: 'bypass' } }
  return (await createRun(service.url, root, more)).id
}

const killAndRestart = async () => {
  await service.end('SIGKILL')
  service = await startService(world.env)
}

/** Everything a watch brings; `each` is called with how many came so far. */
async function collect(events: AsyncIterable<RunEvent>, each?: (count: number) => void) {
  const seen: RunEvent[] = []
  for await (const event of events) {
    seen.push(event)
    each?.(seen.length)
  }
  return seen
}

describe('a watch', { timeout: 150_000 }, () => {
  test('goes on through three kill -9 of the service, without a gap or a repeat', async () => {
    const id = await newRun('killed')
    let restarts = Promise.resolve()
    const after = [6, 12, 20]

    const seen = await collect(client.runs.watch(id, { until: 'turn_end' }), (count) => {
      if (after.includes(count)) restarts = restarts.then(killAndRestart)
    })
    await restarts

    expect(seen.map((event) => event.sequence)).toEqual(seen.map((_, index) => index + 1))
    const log = await eventsOf(service.url, id)
    expect(seen).toEqual(log.slice(0, seen.length))
    expect(log.length).toBeGreaterThan(20)
    expect((await client.runs.get(id)).attempt).toBeGreaterThan(1)
  }, 180_000)

  test('goes on by long poll where there is no WebSocket, also through a kill -9', async () => {
    const id = await newRun('polled')
    const polling = createClient({ baseUrl: service.url, WebSocket: null })
    let restarts = Promise.resolve()

    const seen = await collect(polling.runs.watch(id), (count) => {
      if (count === 6) restarts = restarts.then(killAndRestart)
    })
    await restarts

    expect(seen).toEqual(await eventsOf(service.url, id))
  })

  test('with deltas shows text on its way, and the events are the log', async () => {
    const id = await newRun('deltas')
    const seen: RunEvent[] = []
    let text = ''
    for await (const item of client.runs.watch(id, { deltas: true })) {
      if (isDelta(item)) text += item.delta.text
      else seen.push(item)
    }
    expect(seen).toEqual(await eventsOf(service.url, id))
    expect(text).toContain('word0-0')
  })

  test('of a slow consumer with a small buffer gives the subscription up and takes it up again', async () => {
    const id = await newRun('slow')
    await client.runs.wait(id)
    let asked = 0
    class Counting extends WebSocket {
      override send(data: string): void {
        if (data.includes('_SUBSCRIBE"')) asked += 1
        super.send(data)
      }
    }
    const counting = createClient({ baseUrl: service.url, WebSocket: Counting })
    const seen: RunEvent[] = []
    for await (const event of counting.runs.watch(id, { buffer: 4 })) {
      seen.push(event)
      if (seen.length === 1) await client.runs.get(id) // meanwhile the rest of the log has come
    }
    expect(seen).toEqual(await eventsOf(service.url, id))
    expect(asked).toBeGreaterThan(2)
  })

  test('can be taken up behind any event, filtered, and of a finished run it ends', async () => {
    const id = await newRun('resumed')
    await client.runs.wait(id)
    const log = await eventsOf(service.url, id)

    expect(await collect(client.runs.watch(id, { after: 7 }))).toEqual(log.slice(7))
    expect(await collect(client.runs.watch(id, { after: log.length }))).toEqual([])
    const messages = await collect(client.runs.watch(id, { eventTypes: ['message'] }))
    expect(messages).toEqual(log.filter((event) => 'message' in event))
    expect(messages.length).toBeGreaterThan(0)
    expect(await Array.fromAsync(client.runs.eventsAll(id, { limit: 5 }))).toEqual(log)
    expect(await Array.fromAsync(client.runs.exportEvents(id))).toEqual(log)
    const state = (log as RunEvent[]).reduce(reduceRun, NO_EVENTS)
    expect(state).toMatchObject({ status: 'complete', lastSequence: log.length, pendingInteractions: [] })
    const said = await Array.fromAsync(client.runs.messagesAll(id, { limit: 3 }))
    expect(said.map((one) => one.text)).toContain('Done with many small things.')
    expect((await client.runs.inputs(id)).items.map(({ status }) => status)).toEqual(['delivered'])
    expect((await client.runs.explain(id)).status).toBe('RUN_STATUS_COMPLETE')
    for (const artifact of await client.runs.artifacts(id)) {
      const content = await client.runs.artifactContent(artifact.id)
      expect((await content.bytes()).byteLength).toBe(artifact.size)
    }
  })

  test('ends with the reason of its signal, at once', async () => {
    const id = await newRun('aborted')
    const abort = new AbortController()
    const watching = collect(client.runs.watch(id, { until: 'never', signal: abort.signal }), (count) => {
      if (count === 3) abort.abort(new Error('enough'))
    })
    await expect(watching).rejects.toThrow('enough')
  })

  test('of a run that is not there is refused, not tried for ever', async () => {
    const unknown = crypto.randomUUID()
    const refused = await collect(client.runs.watch(unknown)).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ApiError)
    expect(refused).toMatchObject({ code: 'NOT_FOUND_RUN' })
  })
})

describe('an update', () => {
  test('that names what it has seen does not overwrite what somebody wrote since', async () => {
    const { profile } = await client.profiles.ensure({ profile_key: 'shared', defaults: { model: 'one' } })
    const { value, etag } = await client.profiles.getTagged(profile.id)
    expect(etag).toBeDefined()
    await client.profiles.update(profile.id, { ...value, model: 'two' })

    const late = await client.profiles
      .update(profile.id, { ...value, model: 'three' }, { ifMatch: etag })
      .catch((error: unknown) => error)

    expect(late).toMatchObject({ name: 'ApiError', status: 412 })
    expect((await client.profiles.get(profile.id)).model).toBe('two')
    expect((await client.profiles.version(profile.id, 1)).model).toBe('one')
  })

  test('is carried out once, however often it is sent with its key', async () => {
    const key = { idempotencyKey: crypto.randomUUID() }
    const task = { title: 'Once', project_root: world.base }
    const made = await Promise.all([client.tasks.create(task, key), client.tasks.create(task, key)])
    expect(made[0].id).toBe(made[1].id)
  })
})

describe('lists', () => {
  test('are read to their end, page by page', async () => {
    for (const title of ['one', 'two', 'three', 'four', 'five'])
      await client.tasks.create({ title, project_root: world.base })
    const all = await Array.fromAsync(client.tasks.listAll({ pageSize: 2 }))
    const { items, total } = await client.tasks.list()
    expect(all.map((task) => task.id)).toEqual(items.map((task) => task.id))
    expect(all.length).toBe(total)
    expect(total).toBeGreaterThanOrEqual(5)
  })
})

test('it runs where there is nothing but the web: a bare context, types stripped', async () => {
  const id = await newRun('bare')
  const file = fileURLToPath(new URL('../support/bare-context.ts', import.meta.url))
  const args = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', file, service.url, id]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 })
  expect(stderr).toBe('')
  const log = await eventsOf(service.url, id)
  expect(JSON.parse(stdout)).toEqual({
    seen: log.map((event) => event['sequence']),
    status: 'RUN_STATUS_COMPLETE',
  })
})

describe('the examples', { timeout: 150_000 }, () => {
  const run = (file: string, ...args: string[]) =>
    promisify(execFile)(
      process.execPath,
      [fileURLToPath(new URL(`../../examples/${file}`, import.meta.url)), ...args],
      { env: { PATH: process.env['PATH'] ?? '', AGENT_MANAGER_URL: service.url }, timeout: 60_000 },
    )

  test('follow-run prints the log', async () => {
    const id = await newRun('example')
    const { stdout } = await run('follow-run.ts', id)
    expect(stdout).toContain('Done with many small things.')
    expect(stdout.trim().split('\n').at(-1)).toContain('RUN_EVENT_TYPE_STATUS')
  })

  test('run-and-approve lands the changes', async () => {
    const demo = await makeWorld('demo')
    const own = await startService(demo.env)
    try {
      mkdirSync(join(demo.base, 'project'))
      const root = makeGitProject(join(demo.base, 'project'), GREETER)
      const other = { env: { PATH: process.env['PATH'] ?? '', AGENT_MANAGER_URL: own.url }, timeout: 60_000 }
      const file = fileURLToPath(new URL('../../examples/run-and-approve.ts', import.meta.url))
      const { stdout } = await promisify(execFile)(process.execPath, [file, root, 'Greet the world.'], other)
      expect(stdout).toContain("|| 'world'")
      expect(git(root, 'rev-list', '--count', 'HEAD').trim()).toBe('2')
    } finally {
      await own.end('SIGTERM')
      await demo.cleanUp()
    }
  })
})
