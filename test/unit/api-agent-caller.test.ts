import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { ApiDeps, Peer } from '../../api/deps.ts'
import { callerOf } from '../../api/plugins/agent-caller.ts'
import { buildServer } from '../../api/server.ts'
import { apiDeps } from '../support/api-deps.ts'
import { INPUT_ID, INTERACTION_ID, PROFILE_ID, RUN_ID, TASK_ID } from '../support/api-values.ts'
import { serve } from '../support/api-websocket.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

async function start(isAgent: ApiDeps['isAgent']) {
  const { deps, asked } = apiDeps({ isAgent })
  const app = await buildServer(deps)
  cleanups.push(() => app.close())
  return { app, asked }
}

const RUN = `/api/v1/runs/${RUN_ID}`
const PROFILE = `/api/v1/profiles/${PROFILE_ID}`
const TASK = `/api/v1/tasks/${TASK_ID}`

const CHANGING = [
  ['PUT', PROFILE, { profile: {} }],
  ['DELETE', PROFILE, undefined],
  ['POST', `${PROFILE}/archive`, {}],
  ['POST', `${PROFILE}/unarchive`, {}],
  ['PUT', TASK, { task: { title: 't', project_root: '/p' } }],
  ['DELETE', TASK, undefined],
  ['POST', `${TASK}/cancel`, {}],
  ['POST', '/api/v1/profiles', { profile: { name: 'n' } }],
  ['POST', '/api/v1/profiles/ensure', { profile_key: 'k', defaults: {} }],
  ['POST', '/api/v1/tasks', { task: { title: 't', project_root: '/p' } }],
  ['POST', '/api/v1/runs', { task_id: TASK_ID }],
  ['POST', '/api/v1/runs/stop-all', {}],
  ['POST', '/api/v1/runs/tag/a-tag/stop', {}],
  ['DELETE', RUN, undefined],
  ['POST', `${RUN}/retry`, {}],
  ['POST', `${RUN}/fork`, {}],
  ['POST', `${RUN}/stop`, {}],
  ['POST', `${RUN}/interrupt`, {}],
  ['POST', `${RUN}/continue`, { message: 'm' }],
  ['PATCH', `${RUN}/inputs/${INPUT_ID}`, { message: 'm' }],
  ['DELETE', `${RUN}/inputs/${INPUT_ID}`, undefined],
  ['POST', `${RUN}/interactions/${INTERACTION_ID}/answer`, { decision: 'allow' }],
  ['POST', `${RUN}/approve`, {}],
  ['POST', `${RUN}/reject`, {}],
  ['POST', '/api/v1/runners/codex/probe', {}],
] as const

describe('a process of a run', () => {
  it.each(CHANGING)('may not %s %s', async (method, url, payload) => {
    const { app, asked } = await start(async () => true)

    const response = await app.inject({ method, url, ...(payload && { payload }) })

    expect(response.statusCode).toBe(403)
    expect(response.json()).toMatchObject({
      code: 'POLICY_AGENT_CALLER',
      recovery: 'escalate',
      retryable: false,
      detail: expect.stringContaining('ask a person'),
    })
    expect(asked).toEqual({})
  })

  it('knows every route that may change something', async () => {
    const { app } = await start(() => false)

    const { paths } = (await app.inject('/api/v1/openapi.json')).json()

    const documented = Object.entries<object>(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([method]) => method !== 'get' && method !== 'options')
        .map(([method, { responses }]) => {
          expect(responses[403].description).toContain('POLICY_AGENT_CALLER')
          return `${method.toUpperCase()} ${path}`
        }),
    )
    const tried = CHANGING.map(([method, url]) => {
      const path = url
        .replace('codex', '{runner_type}')
        .replace(/(?<=profiles\/|tasks\/|runs\/)[0-9a-f-]{36}/, '{id}')
        .replace(INPUT_ID, '{input_id}')
        .replace('a-tag', '{tag}')
      return `${method} ${path.replace(INTERACTION_ID, '{interaction_id}')}`
    })
    expect(documented.sort()).toEqual(tried.sort())
  })

  it('may look', async () => {
    const { app } = await start(() => true)

    for (const url of ['/livez', '/api/v1/runs', RUN, `${RUN}/events`, `${RUN}/interactions`, `${RUN}/diff`])
      expect((await app.inject(url)).statusCode, url).toBe(200)
    expect((await app.inject({ method: 'HEAD', url: RUN })).statusCode).toBe(200)
  })

  it('may watch over a WebSocket', async () => {
    const { connect: watch } = await serve(cleanups, undefined, { isAgent: () => true })

    const client = await watch()
    client.send('SUBSCRIBE', { run_subscription: { run_id: RUN_ID } })

    expect((await client.next()).type).toBe('SUBSCRIBED')
  })

  it('is told so before its body is there', async () => {
    const peers: Peer[] = []
    const { app } = await start((peer) => {
      peers.push(peer)
      return true
    })
    const { port, hostname } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
    const socket = connect(Number(port), hostname)
    cleanups.push(() => socket.destroy())

    socket.write(
      `POST ${RUN}/approve HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n`,
    )
    const [answer] = await once(socket, 'data')

    expect(String(answer)).toMatch(/^HTTP\/1\.1 403 /)
    expect(String(answer)).toContain('POLICY_AGENT_CALLER')
    expect(peers).toEqual([{ address: '127.0.0.1', port: socket.localPort, localPort: Number(port) }])
  })

  it('gets nothing done by hanging up after asking', async () => {
    const { deps, asked } = apiDeps()
    const looked = Promise.withResolvers<void>()
    const get: typeof deps.runs.get = (id) => {
      looked.resolve()
      return deps.runs.get(id)
    }
    const app = await buildServer({ ...deps, runs: { ...deps.runs, get } })
    cleanups.push(() => app.close())
    const { port, hostname, origin } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')

    // The second request only shows that the first was seen.
    const requests = [`POST ${RUN}/stop`, `GET ${RUN}`]
    socket.write(
      requests.map((line) => `${line} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`).join(''),
      () => socket.resetAndDestroy(),
    )
    await looked.promise
    await fetch(`${origin}${RUN}`)

    expect(asked.stop).toBeUndefined()
  })
})

describe('anybody else', () => {
  it.each([
    ['at once', () => false],
    ['in a moment', async () => false],
  ])('is let through %s', async (_, isAgent) => {
    const { app, asked } = await start(isAgent)

    expect((await app.inject({ method: 'POST', url: `${RUN}/stop` })).statusCode).toBe(200)
    expect(asked.stop?.id).toBe(RUN_ID)
  })

  it('is not let through when nobody can tell', async () => {
    const { app, asked } = await start(async () => {
      throw new Error('cannot read /proc')
    })

    const response = await app.inject({ method: 'POST', url: `${RUN}/stop` })

    expect(response.statusCode).toBe(500)
    expect(response.body).not.toContain('/proc')
    expect(asked).toEqual({})
  })

  it('is not asked about when it comes from another machine', async () => {
    const { app } = await start(() => true)

    const response = await app.inject({ method: 'POST', url: `${RUN}/stop`, remoteAddress: '192.0.2.7' })

    expect(response.statusCode).toBe(200)
  })
})

/** Two requests that may change something over one connection. */
async function twice(isAgent: ApiDeps['isAgent']): Promise<number[]> {
  const { app } = await start(isAgent)
  const { port, hostname } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  cleanups.push(() => agent.destroy())
  const statuses: number[] = []
  for (let index = 0; index < 2; index++) {
    const call = request({ agent, port, hostname, method: 'POST', path: `${RUN}/stop` }).end()
    const [response] = await once(call, 'response')
    response.resume()
    await once(response, 'end')
    statuses.push(response.statusCode)
  }
  return statuses
}

describe('one connection', () => {
  it('is asked about once when it is nobody of a run', async () => {
    const asked: Peer[] = []

    const statuses = await twice((peer) => {
      asked.push(peer)
      return false
    })

    expect(statuses).toEqual([200, 200])
    expect(asked).toHaveLength(1)
  })

  it('is asked about again after a yes', async () => {
    const answers = [true, false]

    expect(await twice(() => answers.shift() ?? true)).toEqual([403, 200])
  })
})

describe('the other end of a connection', () => {
  const ports = { remotePort: 4000, localPort: 80 }
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.1.2.3', '127.0.0.1'],
    ['::1', '::1'],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
    // A client here may bind another address of this machine, or call it by one.
    ['192.0.2.7', '127.0.0.1'],
    ['192.0.2.7', '192.0.2.7'],
  ])('is here: %s to %s', (remoteAddress, localAddress) => {
    expect(callerOf({ remoteAddress, localAddress, ...ports })).toEqual({
      address: remoteAddress,
      port: 4000,
      localPort: 80,
    })
  })

  it.each([
    ['192.0.2.7', '192.0.2.8'],
    ['127.evil', '192.0.2.8'],
    ['2001:db8::1', '2001:db8::2'],
  ])('is elsewhere: %s to %s', (remoteAddress, localAddress) => {
    expect(callerOf({ remoteAddress, localAddress, ...ports })).toBe('elsewhere')
  })

  it('is gone when it hung up: that is no way past', () => {
    expect(callerOf({ remoteAddress: undefined, ...ports })).toBe('gone')
  })
})
