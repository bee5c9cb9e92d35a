import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import { callSandbox, type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

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
const ALL = { mode: 'all', overrideAcceptance: true }

describe('HTTP', () => {
  it('is healthy at both addresses', async () => {
    for (const path of ['/health', '/api/v1/health']) {
      const answer = await server.call('GET', path)
      expect(answer.status).toBe(200)
      expect(answer.json).toMatchObject({ status: 'healthy', readiness: true })
    }
  })

  it('answers 404 as plain text, 405 with nothing, and 501 for contract routes it does not have', async () => {
    expect(await server.call('GET', '/nothing')).toMatchObject({ status: 404, text: '404 page not found' })
    expect(await server.call('PUT', ROUTE)).toMatchObject({ status: 405, text: '' })
    expect(await server.call('OPTIONS', `${ROUTE}/x/diff`)).toMatchObject({ status: 405, text: '' })
    const unbuilt = await server.call('POST', '/api/v1/gc', {})
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
  it('makes an active sandbox of the project', async () => {
    const root = await makeProject()

    const answer = await create({ projectRoot: root, owner: 'run_1' })

    expect(answer.status, answer.text).toBe(201)
    expect(answer.json).toMatchObject({
      status: 'active',
      scopePath: root,
      projectRoot: root,
      reservedPath: root,
      reservedPaths: [root],
      owner: 'run_1',
      ownerType: 'user',
      version: 2,
      driver: 'copy',
      activePids: [],
      sessionCount: 0,
      baseCommitHash: expect.stringMatching(/^[0-9a-f]{40}$/),
      behavior: { acceptance: { mode: 'allowlist', allow: {}, deny: {} }, lifecycle: {} },
    })
    expect(await stat(join(answer.json.mergedDir, 'src/app.txt'))).toBeTruthy()
    const again = await get(answer.json.id)
    expect(again.json).toMatchObject({
      baseCommitHash: answer.json.baseCommitHash,
      mountHealth: { healthy: true, verified: true },
    })
    await rm(answer.json.mergedDir, { recursive: true })
    const broken = await get(answer.json.id)
    expect(broken.json).toMatchObject({
      status: 'active',
      mountHealth: { healthy: false, error: expect.any(String) },
    })
    expect((await act(answer.json.id, 'stop')).json).not.toHaveProperty('mountHealth')
  })

  it('refuses bad bodies, roots and scopes with 400', async () => {
    const root = await makeProject()
    const bad = [
      {},
      { projectRoot: 'relative' },
      { projectRoot: '/does/not/exist' },
      { projectRoot: root, scopePath: '/etc' },
      { projectRoot: root, scopePath: '../x' },
      { projectRoot: root, scopePath: 'missing' },
      { projectRoot: root, scopePath: 'src', reservedPaths: ['docs'] },
      { projectRoot: root, behavior: { lifecycle: { ttl: '24h' } } },
      { projectRoot: root, behavior: { lifecycle: { ttl: -1 } } },
      { projectRoot: root, behavior: { acceptance: { mode: 'denylist' } } },
      { projectRoot: root, behavior: { acceptance: { allow: { pathGlobs: ['/src/**'] } } } },
    ]
    for (const body of bad) {
      const answer = await create(body)
      expect(answer.status, JSON.stringify(body)).toBe(400)
      expect(answer.json).toMatchObject({ code: 400, success: false, error: expect.any(String) })
    }
    const unreadable = await create('{"projectRoot":')
    expect(unreadable.json).toEqual({ error: 'invalid request body', code: 400, success: false })
  })

  it('takes nanoseconds, a scope and null members', async () => {
    const root = await makeProject()

    const answer = await create({
      projectRoot: root,
      scopePath: 'src',
      tags: null,
      behavior: { lifecycle: { ttl: 86_400_000_000_000, stopOn: null } },
    })

    expect(answer.status, answer.text).toBe(201)
    expect(answer.json.scopePath).toBe(join(root, 'src'))
    expect(Object.keys(await readTree(answer.json.mergedDir, (path) => path === '.git'))).toEqual([
      'app.txt',
      'old.txt',
    ])
  })

  it('gives one sandbox per key, also to eight callers at once, and a fresh one when it is dead', async () => {
    const root = await makeProject()
    const body = { projectRoot: root, noLock: true, idempotencyKey: `key-${root}` }

    const answers = await Promise.all(Array.from({ length: 8 }, () => create(body)))
    const other = await create({ ...body, owner: 'someone else' })

    expect(new Set([...answers, other].map((answer) => `${answer.status} ${answer.json.id}`)).size).toBe(1)
    await act(answers[0]!.json.id, 'reject')
    const fresh = await create(body)
    expect(fresh.json.id).not.toBe(answers[0]!.json.id)
    await server.call('DELETE', `${ROUTE}/${fresh.json.id}`)
    expect((await create(body)).json).toMatchObject({
      status: 'active',
      id: expect.not.stringMatching(fresh.json.id),
    })
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
    expect(tree).not.toHaveProperty('node_modules/x/.git/config')
  })
})

describe('reservation', () => {
  it('refuses overlaps, naming the other sandbox, however the root is spelled', async () => {
    const root = await makeProject({ 'src/deep/x': '1' })
    const first = (await create({ projectRoot: root, scopePath: 'src' })).json
    const clash = async (body: object) => {
      const answer = await create({ projectRoot: root, ...body })
      expect(answer.status).toBe(409)
      expect(answer.json.hint).toEqual(expect.any(String))
      return answer.json.details.conflicts[0]
    }
    const alias = join(await makeFolder(), 'alias')
    await symlink(root, alias)

    const base = { sandboxId: first.id, scope: join(root, 'src') }
    expect(await clash({ scopePath: 'src/deep' })).toEqual({ ...base, conflictType: 'existing_contains_new' })
    expect(await clash({})).toEqual({ ...base, conflictType: 'new_contains_existing' })
    expect(await clash({ scopePath: 'src' })).toEqual({ ...base, conflictType: 'exact' })
    expect(await clash({ projectRoot: `${root}/`, scopePath: 'src' })).toMatchObject({
      conflictType: 'exact',
    })
    expect(await clash({ projectRoot: alias, scopePath: 'src' })).toMatchObject({ conflictType: 'exact' })
  })

  it('lets through noLock, other paths, similar names, and whatever a stopped sandbox held', async () => {
    const root = await makeProject({ 'axb/c/x': '1', 'a_b/x': '1' })
    const first = (await create({ projectRoot: root, scopePath: 'axb/c' })).json

    expect((await create({ projectRoot: root, scopePath: 'a_b' })).status).toBe(201)
    expect((await create({ projectRoot: root, scopePath: '', reservedPaths: ['docs'] })).status).toBe(201)
    const unlocked = await create({ projectRoot: root, noLock: true })
    expect(unlocked.json).toMatchObject({ noLock: true, reservedPath: '' })
    expect(unlocked.json).not.toHaveProperty('reservedPaths')
    await act(first.id, 'stop')
    expect((await create({ projectRoot: root, scopePath: 'axb' })).status).toBe(201)
    expect((await act(first.id, 'start')).status).toBe(409)
  })
})

describe('reading', () => {
  it('knows unknown and malformed ids', async () => {
    const unknown = await get('0c7d8f1e-0000-4000-8000-000000000000')
    expect(unknown.status).toBe(404)
    expect(unknown.json).toMatchObject({ code: 404, success: false, hint: expect.any(String) })
    expect((await get('nonsense')).json).toEqual({ error: 'invalid sandbox ID', code: 400, success: false })
  })

  it('lists newest first with filters, limits and deleted rows, also while one is being made', async () => {
    const root = await makeProject()
    const body = { projectRoot: root, noLock: true }
    const [first, second] = [(await create(body)).json, (await create(body)).json]
    await server.call('DELETE', `${ROUTE}/${first.id}`)
    const list = async (query: string) =>
      (await server.call('GET', `${ROUTE}?projectRoot=${root}${query}`)).json

    expect(await list('')).toMatchObject({
      totalCount: 2,
      limit: 100,
      offset: 0,
      sandboxes: [
        { id: second.id, status: 'active' },
        { id: first.id, status: 'deleted' },
      ],
    })
    expect(await list('&status=deleted')).toMatchObject({ totalCount: 1, sandboxes: [{ id: first.id }] })
    expect(await list('&status=deleted&status=active&limit=1&offset=1')).toMatchObject({
      totalCount: 2,
      limit: 1,
      offset: 1,
      sandboxes: [{ id: first.id }],
    })
    expect((await server.call('GET', `${ROUTE}?status=odd`)).status).toBe(400)
    const making = create(body)
    const during = await list('')
    expect([2, 3]).toContain(during.totalCount)
    expect((await making).status).toBe(201)
  })
})

describe('states', () => {
  it('stops and starts without losing work', async () => {
    const { id, mergedDir } = (await create({ projectRoot: await makeProject(), noLock: true })).json
    expect((await server.call('GET', `${ROUTE}/${id}/workspace`)).json).toEqual({ path: mergedDir })
    await writeFile(join(mergedDir, 'new.txt'), '1')

    expect((await act(id, 'stop')).json).toMatchObject({ status: 'stopped', stoppedAt: expect.any(String) })
    expect((await act(id, 'stop')).status).toBe(200)
    expect((await server.call('GET', `${ROUTE}/${id}/workspace`)).status).toBe(409)
    expect((await server.call('GET', `${ROUTE}/${id}/diff`)).json.totalAdded).toBe(1)
    const started = await act(id, 'start')
    expect(started.json.status).toBe('active')
    expect(started.json).not.toHaveProperty('stoppedAt')
    expect((await server.call('GET', `${ROUTE}/${id}/diff`)).json.totalAdded).toBe(1)
  })

  it('approves once: again is a no-op, and nothing else is possible after', async () => {
    const { id, mergedDir } = (await create({ projectRoot: await makeProject(), noLock: true })).json
    await writeFile(join(mergedDir, 'new.txt'), '1')

    const both = await Promise.all([act(id, 'approve', ALL), act(id, 'approve', ALL)])

    expect(new Set(both.map((answer) => answer.json.applied))).toEqual(new Set([0, 1]))
    const again = await act(id, 'approve', ALL)
    expect(again.json).toMatchObject({
      success: true,
      applied: 0,
      appliedAt: (await get(id)).json.approvedAt,
    })
    for (const what of ['reject', 'start', 'stop']) {
      const refused = await act(id, what)
      expect(refused.status).toBe(409)
      expect(refused.json.hint).toEqual(expect.any(String))
    }
  })

  it('approves everything with an empty body and nothing with one it cannot read', async () => {
    const root = await makeProject()
    const { id, mergedDir } = (await create({ projectRoot: root, noLock: true })).json
    await writeFile(join(mergedDir, 'new.txt'), '1')

    expect((await act(id, 'approve', '{"mode":')).status).toBe(400)
    expect((await act(id, 'approve', { mode: 'files', fileIds: ['zzz'] })).status).toBe(400)
    expect((await act(id, 'approve', { mode: 'files', fileIds: [] })).status).toBe(400)
    expect((await act(id, 'approve', { mode: 'hunks' })).status).toBe(501)
    const unknown = await act(id, 'approve', { mode: 'files', fileIds: [id] })
    expect(unknown.json).toMatchObject({ success: true, applied: 0, remaining: 1 })
    expect((await get(id)).json.status).toBe('active')
    expect((await act(id, 'approve')).json).toMatchObject({ success: true, applied: 1 })
    expect(await readFile(join(root, 'new.txt'), 'utf8')).toBe('1')
  })

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

  it('rejects, also twice, and deletes then when asked to', async () => {
    const behavior = { lifecycle: { deleteOn: ['rejected'] } }
    const projectRoot = await makeProject()
    const kept = (await create({ projectRoot, noLock: true })).json
    const gone = (await create({ projectRoot, noLock: true, behavior })).json

    expect((await act(kept.id, 'reject', '{')).status).toBe(400)
    expect((await act(kept.id, 'reject')).json.status).toBe('rejected')
    expect((await act(kept.id, 'reject', { actor: 'me' })).status).toBe(200)
    expect((await act(kept.id, 'approve', ALL)).status).toBe(409)
    expect((await act(gone.id, 'reject')).json.status).toBe('rejected')
    expect((await get(gone.id)).json.status).toBe('deleted')
    await expect(stat(gone.mergedDir)).rejects.toThrow()
  })

  it('deletes for good, any number of times', async () => {
    const { id, mergedDir } = (await create({ projectRoot: await makeProject(), noLock: true })).json
    await mkdir(join(mergedDir, 'closed'), { mode: 0o555 })

    for (const each of [id, id, '0c7d8f1e-0000-4000-8000-000000000001']) {
      expect(await server.call('DELETE', `${ROUTE}/${each}`)).toMatchObject({ status: 204, text: '' })
    }

    expect((await get(id)).json).toMatchObject({ status: 'deleted', deletedAt: expect.any(String) })
    expect((await server.call('GET', `${ROUTE}/${id}/diff`)).status).toBe(409)
    await expect(stat(mergedDir)).rejects.toThrow()
    expect((await server.call('DELETE', `${ROUTE}/nonsense`)).status).toBe(400)
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
