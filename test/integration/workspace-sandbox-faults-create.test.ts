/** Making, listing and probing through a service that fails in every way the contract knows (section 14). */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GET, LIMITS, serve } from '../support/sandbox-faulty-client.ts'
import { type FakeSandbox, makeFakeSandbox } from '../support/sandbox-faulty-overlay.ts'
import {
  answer,
  cut,
  type FaultyServer,
  fault,
  inTurn,
  plain,
  trickle,
} from '../support/sandbox-faulty-server.ts'
import { makeFolder } from '../support/sandbox-project.ts'

const CREATE = 'POST /api/v1/sandboxes'
const LIST = 'GET /api/v1/sandboxes'

const request = ({ projectRoot }: FakeSandbox) => ({ key: 'k', owner: 'run:1', projectRoot })
const keysOf = (server: FaultyServer) =>
  server.seen.filter((each) => each.path === '/api/v1/sandboxes').map((each) => each.body.idempotencyKey)
const dead = (status: string) => answer(201, { id: 'dead', status, mergedDir: '/tmp/dead', driver: 'copy' })
const alive = (box: FakeSandbox) => ({ id: 's1', mergedDir: box.mergedDir, driver: box.driver })

describe('a create', () => {
  it('sends what the real service needs and keeps what the project was like with the sandbox', async () => {
    const box = await makeFakeSandbox()
    const { server, client } = await serve(box.routes())

    expect(await client.create(request(box))).toEqual(alive(box))
    expect(server.seen[0]?.body).toMatchObject({
      projectRoot: box.projectRoot,
      noLock: true,
      owner: 'agent-manager:me',
      idempotencyKey: 'k',
      metadata: { requestedBy: 'run:1', baseCommit: expect.stringMatching(/^[0-9a-f]{40}$/) },
      behavior: { acceptance: { mode: 'allowlist', deny: { pathGlobs: ['**/.never'] } } },
    })
  })

  it.each(['error', 'rejected', 'approved', 'deleted'])(
    'leaves a replayed sandbox that is %s and takes the next key',
    async (status) => {
      const box = await makeFakeSandbox()
      const routes = box.routes({
        [CREATE]: inTurn(dead(status), answer(201, box.json())),
        'DELETE /api/v1/sandboxes/dead': fault(500, 'cannot delete'),
      })
      const { server, client } = await serve(routes)

      expect(await client.create(request(box))).toEqual(alive(box))
      expect(keysOf(server)).toEqual(['k', 'k~2'])
      const deletions = server.asked().filter((each) => each.startsWith('DELETE'))
      expect(deletions).toHaveLength(status === 'deleted' ? 0 : 1)
    },
  )

  it('gives up on a service that only has dead ones', async () => {
    const box = await makeFakeSandbox()
    const { server, client } = await serve({ [CREATE]: dead('deleted') })

    await expect(client.create(request(box))).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
      message: expect.stringContaining('deleted'),
    })
    expect(keysOf(server)).toEqual(['k', 'k~2', 'k~3', 'k~4'])
  })

  it('is asked once more after a 500 with its key, then with the next', async () => {
    const box = await makeFakeSandbox()
    const race = fault(500, 'duplicate key value violates unique constraint')
    const once = await serve(box.routes({ [CREATE]: inTurn(race, answer(201, box.json())) }))
    expect(await once.client.create(request(box))).toEqual(alive(box))
    expect(keysOf(once.server)).toEqual(['k', 'k'])
    const twice = await serve(box.routes({ [CREATE]: inTurn(race, plain(500, ''), answer(201, box.json())) }))
    expect(await twice.client.create(request(box))).toEqual(alive(box))
    expect(keysOf(twice.server)).toEqual(['k', 'k', 'k~2'])
  })

  it('lost before or after its effect is asked for again by the same key: there is one sandbox', async () => {
    for (const hasEffect of [false, true]) {
      const box = await makeFakeSandbox()
      const made = new Set<string>()
      const routes = box.routes({
        [CREATE]: (response, seen, times) => {
          if (times > 0 || hasEffect) made.add(seen.body.idempotencyKey)
          const script = times === 0 ? cut : answer(201, box.json())
          script(response, seen, times)
        },
      })
      const { client } = await serve(routes)
      expect(await client.create(request(box))).toEqual(alive(box))
      expect([...made]).toEqual(['k'])
    }
  })

  it('waits for a sandbox that is being made, which the real service cannot even read', async () => {
    const box = await makeFakeSandbox()
    const creating = answer(201, { ...box.json(), status: 'creating', mergedDir: null })
    const unreadable = fault(500, 'converting NULL to string is unsupported')
    const routes = box.routes({ [CREATE]: creating, [GET]: inTurn(unreadable, box.routes()[GET]!) })
    const { server, client } = await serve(routes, { limits: { ...LIMITS, settleMs: 5000 } })

    expect(await client.create(request(box))).toEqual(alive(box))
    expect(keysOf(server)).toEqual(['k'])
  })

  it('leaves one that stays in the making alone and takes the next key', async () => {
    const box = await makeFakeSandbox()
    const routes = box.routes({
      [CREATE]: inTurn(dead('creating'), answer(201, box.json())),
      'GET /api/v1/sandboxes/dead': fault(500, 'converting NULL to string is unsupported'),
    })
    const { server, client } = await serve(routes)

    expect(await client.create(request(box))).toEqual(alive(box))
    expect(keysOf(server)).toEqual(['k', 'k~2'])
    expect(server.asked().filter((each) => each.startsWith('DELETE'))).toEqual([])
  })

  it('heals a vanished mount by stop and start, and never on the copy driver', async () => {
    const box = await makeFakeSandbox()
    box.mountHealth = { healthy: false, verified: true, error: 'not mounted' }
    const { server, client } = await serve(box.routes())
    expect(await client.create(request(box))).toEqual(alive(box))
    expect(server.asked().slice(1)).toEqual([
      GET,
      'POST /api/v1/sandboxes/s1/stop',
      'POST /api/v1/sandboxes/s1/start',
      GET,
    ])

    for (const status of ['active', 'stopped']) {
      const copy = await makeFakeSandbox()
      copy.driver = 'copy'
      copy.status = status
      copy.mountHealth = { healthy: false, verified: true, error: 'folder gone' }
      const other = await serve(copy.routes())
      await expect(other.client.create(request(copy))).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
      expect(other.server.asked().filter((each) => /\/(stop|start)$|^DELETE/.test(each))).toEqual([])
    }
  })

  it('starts one again that was stopped a moment after the answer, with what it holds', async () => {
    const box = await makeFakeSandbox()
    const made = answer(201, box.json())
    box.status = 'stopped'
    const { server, client } = await serve(box.routes({ [CREATE]: made }))

    expect(await client.create(request(box))).toEqual(alive(box))
    expect(keysOf(server)).toEqual(['k'])
    expect(server.asked()).toContain('POST /api/v1/sandboxes/s1/start')
  })

  it('fails when the mount does not come back', async () => {
    const box = await makeFakeSandbox()
    const lame = answer(200, {
      ...box.json(),
      mountHealth: { healthy: false, error: 'fuse: no such device' },
    })
    const { client } = await serve(box.routes({ [GET]: lame }))

    await expect(client.create(request(box))).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
      message: expect.stringContaining('no such device'),
    })
  })

  it('fails on a sandbox nobody can work in: no folder, the project itself, or a view of nothing', async () => {
    const box = await makeFakeSandbox()
    const hollow = join(await makeFolder(), 'hollow')
    await mkdir(hollow)
    for (const mergedDir of ['relative', null, box.projectRoot, hollow, '/nonexistent/merged']) {
      const json = answer(201, { ...box.json(), mergedDir })
      const read = answer(200, { ...box.json(), mergedDir })
      const { client } = await serve(box.routes({ [CREATE]: json, [GET]: read }))
      await expect(client.create(request(box))).rejects.toMatchObject({
        code: 'SANDBOX_OPERATION',
        message: expect.stringContaining('nobody can work in'),
      })
    }
  })

  it('tells a service that cannot work now from one that refuses', async () => {
    const box = await makeFakeSandbox()
    const away = await serve({ [CREATE]: fault(503, 'database down') })
    await expect(away.client.create(request(box))).rejects.toMatchObject({ code: 'SANDBOX_UNAVAILABLE' })
    const conflicts = [{ sandboxId: 's9', scope: '/p', conflictType: '' }]
    const held = await serve({ [CREATE]: fault(409, 'scope overlaps', { details: { conflicts } }) })
    await expect(held.client.create(request(box))).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
      message: expect.stringMatching(/scope overlaps.*s9/),
    })
    const odd = await serve({ [CREATE]: plain(405, '') })
    await expect(odd.client.create(request(box))).rejects.toMatchObject({
      message: expect.stringContaining('no answer of a workspace-sandbox'),
    })
  })

  it('ends in time however slowly each answer comes', async () => {
    const box = await makeFakeSandbox()
    const { server, client } = await serve({ [CREATE]: trickle(20) }, { limits: { ...LIMITS, longMs: 300 } })
    const startedAt = performance.now()

    await expect(client.create(request(box))).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
    expect(performance.now() - startedAt).toBeLessThan(4000)
    expect(keysOf(server)).toEqual(['k'])
  })
})

describe('the list of our own sandboxes', () => {
  const row = (id: string, more: object = {}) => ({
    id,
    status: 'stopped',
    owner: 'agent-manager:me',
    idempotencyKey: `run:${id}`,
    createdAt: '2026-01-02T03:04:05.123456789Z',
    ...more,
  })

  it('is read page by page and holds nobody else, whatever the service filters', async () => {
    const first = Array.from({ length: 100 }, (_, at) => row(`a${at}`))
    const second = [
      row('a99'),
      row('b'),
      row('theirs', { owner: 'x' }),
      { odd: true },
      row('c', { idempotencyKey: null }),
    ]
    const { server, client } = await serve({
      [LIST]: inTurn(answer(200, { sandboxes: first }), answer(200, { sandboxes: second })),
    })

    const owned = await client.listOwned()

    expect(owned).toHaveLength(102)
    expect(owned.at(-1)).toEqual({
      id: 'c',
      key: null,
      createdAt: new Date('2026-01-02T03:04:05.123Z'),
      state: 'stopped',
    })
    const queries = server.seen.map((each) => new URL(each.path, server.url).searchParams)
    expect(queries.map((query) => [query.get('owner'), query.get('limit'), query.get('offset')])).toEqual([
      ['agent-manager:me', '100', '0'],
      ['agent-manager:me', '100', '100'],
    ])
    // One row in the making would make the real service answer 500; deleted rows never end.
    expect(queries[0]?.getAll('status')).toEqual(['active', 'stopped', 'approved', 'rejected', 'error'])
  })

  it('is empty for null and a failure for a 500', async () => {
    const none = await serve({ [LIST]: answer(200, { sandboxes: null }) })
    expect(await none.client.listOwned()).toEqual([])
    const broken = await serve({ [LIST]: fault(500, 'converting NULL to string is unsupported') })
    await expect(broken.client.listOwned()).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
  })
})

describe('the health probe', () => {
  it('says no to a service that is up but not ready, and to what is no health answer', async () => {
    for (const script of [
      answer(503, { status: 'unhealthy', readiness: false }),
      answer(200, { status: 'degraded', readiness: false }),
      plain(200, 'ok'),
      cut,
    ]) {
      const { client } = await serve({ 'GET /health': script })
      expect(await client.health()).toMatchObject({ ok: false })
    }
  })

  it('asks once for many who want to know at the same time, and again later', async () => {
    const healthy = answer(200, { status: 'healthy', readiness: true })
    const { server, client } = await serve({ 'GET /health': healthy })

    const answers = await Promise.all(Array.from({ length: 50 }, () => client.health()))
    await client.health()

    expect(new Set(answers.map(({ ok }) => ok))).toEqual(new Set([true]))
    expect(server.asked()).toHaveLength(1)
    const askedNow = () => client.health().then(() => server.asked().length)
    await expect.poll(askedNow, { timeout: 5000, interval: 200 }).toBe(2)
  })
})
