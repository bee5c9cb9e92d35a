import { spawn } from 'node:child_process'
import { mkdir, rename, stat, symlink } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import {
  callSandbox,
  type SandboxServer,
  startSandboxServer,
  testedDriver,
} from '../support/sandbox-server.ts'

const ROUTE = '/api/v1/sandboxes'
let server: SandboxServer
beforeAll(async () => {
  server = await startSandboxServer()
}, 30_000)
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})

const create = (body: object | string) => server.call('POST', ROUTE, body)
const act = (id: string, what: string, body?: unknown) => server.call('POST', `${ROUTE}/${id}/${what}`, body)
const get = (id: string) => server.call('GET', `${ROUTE}/${id}`)

describe('HTTP', () => {
  it('answers 404 as plain text, 405 with nothing, and 501 for contract routes it does not have', async () => {
    expect(await server.call('GET', '/nothing')).toMatchObject({ status: 404, text: '404 page not found' })
    expect(await server.call('PUT', ROUTE)).toMatchObject({ status: 405, text: '' })
    expect(await server.call('OPTIONS', `${ROUTE}/x/diff`)).toMatchObject({ status: 405, text: '' })
    const unbuilt = await server.call('GET', '/api/v1/audit')
    expect(unbuilt.status).toBe(501)
    expect(unbuilt.json).toMatchObject({ code: 501, success: false, error: expect.any(String) })
  })

  it('refuses web pages and foreign host names when it has no token', async () => {
    const origin = await fetch(`${server.url}${ROUTE}`, { headers: { origin: 'https://example.org' } })
    expect(origin.status).toBe(403)
    const status = await new Promise((resolve, reject) => {
      const { hostname, port } = new URL(server.url)
      httpRequest({ hostname, port, path: ROUTE, headers: { host: 'rebound.example.org' } }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
    expect(status).toBe(403)
  })
})

describe('create', () => {
  it('refuses roots and scopes that are no folders it can read, and keeps no row of them', async () => {
    const root = await makeProject()
    const bad = [
      { projectRoot: 'relative' },
      { projectRoot: '/does/not/exist' },
      { projectRoot: root, scopePath: 'missing' },
      { projectRoot: root, scopePath: 'README.md' },
    ]
    for (const body of bad) {
      const answer = await create(body)
      expect(answer.status, JSON.stringify(body)).toBe(400)
      expect(answer.json).toMatchObject({ code: 400, success: false, error: expect.any(String) })
    }
    expect((await server.call('GET', `${ROUTE}?projectRoot=${root}`)).json.totalCount).toBe(0)
  })

  it('takes null members for absent ones', async () => {
    const root = await makeProject()

    const answer = await create({
      projectRoot: root,
      scopePath: 'src',
      tags: null,
      behavior: { lifecycle: { stopOn: null } },
    })

    expect(answer.status, answer.text).toBe(201)
    expect(answer.json).toMatchObject({
      activePids: [],
      behavior: { acceptance: { mode: 'allowlist', allow: {}, deny: {} }, lifecycle: {} },
    })
    expect(Object.keys(await readTree(answer.json.mergedDir, (path) => path === '.git'))).toEqual([
      'app.txt',
      'old.txt',
    ])
  })

  it('does not copy itself: a project that holds the sandbox folder is refused', async () => {
    expect((await create({ projectRoot: '/' })).json.error).toContain('SANDBOX_BASE_DIR')
  })

  it('copies links as links and leaves out what is no file', async () => {
    const root = await makeProject()
    await symlink('/etc/hostname', join(root, 'out'))
    await writeFiles(root, { 'node_modules/x/.git/config': 'x', 'node_modules/x/index.js': '1' })

    const { json } = await create({ projectRoot: root, noLock: true })

    const tree = await readTree(json.mergedDir, (path) => path === '.git')
    expect(tree['out']).toBe('-> /etc/hostname')
    expect(tree).toHaveProperty('node_modules/x/index.js')
    // An overlay shows ignored folders as they are; what is written there stays in the sandbox.
    expect('node_modules/x/.git/config' in tree).toBe(testedDriver() === 'overlay')
  })
})

describe('states', () => {
  it('leaves out what the rules do not accept, and refuses it when asked for by id', async () => {
    const behavior = {
      acceptance: { allow: { pathGlobs: ['src/**'] }, deny: { extensions: ['TMP'] }, ignoreBinary: true },
    }
    const root = await makeProject()
    const { id, mergedDir } = (await create({ projectRoot: root, noLock: true, behavior })).json
    await writeFiles(mergedDir, {
      'src/a.txt': '1',
      'src/b.tmp': '1',
      'c.txt': '1',
      'src/d.bin': Buffer.from([0]),
    })
    const { files } = (await server.call('GET', `${ROUTE}/${id}/diff`)).json
    expect(files.map((file: { acceptance: { status: string } }) => file.acceptance.status)).toEqual([
      'ignored',
      'accepted',
      'denied',
      'binary_ignored',
    ])

    expect((await act(id, 'approve', { mode: 'files', fileIds: [files[0].id] })).status).toBe(400)
    expect((await act(id, 'approve', { mode: 'all' })).json).toMatchObject({
      applied: 1,
      remaining: 3,
      isPartial: true,
    })
    expect((await get(id)).json.status).toBe('active')
    const forced = await act(id, 'approve', {
      mode: 'files',
      fileIds: [files[0].id],
      overrideAcceptance: true,
    })
    expect(forced.json).toMatchObject({ applied: 1, remaining: 2 })
  })

  it('deletes folders whose modes forbid it', async () => {
    const { id, mergedDir } = (await create({ projectRoot: await makeProject(), noLock: true })).json
    await mkdir(join(mergedDir, 'closed'), { mode: 0o555 })
    expect((await server.call('DELETE', `${ROUTE}/${id}`)).status).toBe(204)
    await expect(stat(mergedDir)).rejects.toThrow()
  })
})

describe('lifecycle', () => {
  const statusOf = async (id: string) => (await get(id)).json.status

  it('stops an idle sandbox, but not one in which a process works, and deletes it after its time', async () => {
    const projectRoot = await makeProject()
    const behavior = { lifecycle: { idleTimeout: 1_000_000_000, ttl: 2_000_000_000 } }
    const idle = (await create({ projectRoot, noLock: true, behavior })).json
    const busy = (await create({ projectRoot, noLock: true, behavior })).json
    const agent = spawn('sleep', ['60'], { cwd: busy.mergedDir, stdio: 'ignore' })
    try {
      await expect.poll(() => statusOf(idle.id), { timeout: 20_000 }).toBe('deleted')
      expect(await statusOf(busy.id)).toBe('active')
    } finally {
      agent.kill('SIGKILL')
    }
    await expect.poll(() => statusOf(busy.id), { timeout: 20_000 }).toBe('deleted')
  }, 60_000)

  it('moves lastUsedAt with every use, and not with a look', async () => {
    const { id, lastUsedAt } = (await create({ projectRoot: await makeProject(), noLock: true })).json
    expect((await get(id)).json.lastUsedAt).toBe(lastUsedAt)
    await expect
      .poll(async () => {
        await server.call('GET', `${ROUTE}/${id}/files`)
        return (await get(id)).json.lastUsedAt
      })
      .not.toBe(lastUsedAt)
  })
})

describe('health', () => {
  it('is 503 while the folder of the sandboxes is away', async () => {
    const own = await startSandboxServer()
    try {
      await rename(own.baseDir, `${own.baseDir}.away`)
      const answer = await own.call('GET', '/health')
      expect(answer.status).toBe(503)
      expect(answer.json).toMatchObject({ status: 'unhealthy', readiness: false })
      await rename(`${own.baseDir}.away`, own.baseDir)
      expect((await own.call('GET', '/health')).status).toBe(200)
    } finally {
      await own.stop()
    }
  })
})

describe('token', () => {
  it('is demanded on every request when one is set', async () => {
    const guarded = await startSandboxServer({ SANDBOX_TOKEN: 'secret' })
    try {
      for (const path of ['/health', ROUTE, '/nothing']) {
        const answer = await callSandbox(guarded.url, null, 'GET', path)
        expect(answer.status).toBe(401)
        expect(answer.json).toMatchObject({ code: 401, success: false })
        expect((await callSandbox(guarded.url, 'wrong', 'GET', path)).status).toBe(401)
      }
      expect((await guarded.call('GET', '/health')).status).toBe(200)
    } finally {
      await guarded.stop()
    }
  })
})
