import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { startEmbeddedSandbox } from '../../adapters/workspace-sandbox/embedded.ts'
import { createTransport } from '../../adapters/workspace-sandbox/transport.ts'
import { createLogger } from '../../internal/log.ts'
import {
  answer,
  cut,
  type FaultyServer,
  type Script,
  startFaultyServer,
} from '../support/sandbox-faulty-server.ts'
import { isGit, makeFolder, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

const clientOf = (url: string, token: string | null = null) =>
  createSandboxClient({ baseUrl: () => url, token: () => token, owner: 'agent-manager-test' })

describe('against the embedded service', () => {
  let server: SandboxServer
  beforeAll(async () => {
    server = await startSandboxServer({ SANDBOX_TOKEN: 'client-secret' })
  }, 30_000)
  afterAll(async () => {
    await server.stop()
  })
  const client = () => clientOf(server.url, server.token)

  it('creates by key, reads, lands and deletes', async () => {
    const projectRoot = await makeProject()
    const request = { key: 'run:1:sandbox:1', owner: 'run_1', projectRoot }
    const made = await client().create(request)
    expect(await client().create(request)).toEqual(made)
    expect(await client().health()).toEqual({ ok: true, message: 'healthy' })
    await writeFiles(made.mergedDir, { 'src/app.txt': 'x\n', 'é.txt': '1\n' })
    await client().stop(made.id)
    expect(await client().state(made.id)).toBe('stopped')

    const diff = await client().diff(made.id)
    const landing = { actor: 'someone', expected: diff.files }
    expect(diff.files.map((file) => `${file.changeType} ${file.path}`)).toEqual([
      'modified src/app.txt',
      'added é.txt',
    ])
    expect(await client().applyAll(made.id, landing)).toEqual({ ok: true, applied: 2 })
    expect(await client().applyAll(made.id, landing)).toEqual({ ok: true, applied: 2 })
    expect(await readTree(projectRoot, isGit)).toEqual(await readTree(made.mergedDir, isGit))
    expect(await client().state(made.id)).toBe('approved')
    await client().delete(made.id)
    await client().delete(made.id)
    expect(await client().state(made.id)).toBe('gone')
    await client().reject(made.id, 'someone')
    await client().stop(made.id)
  })

  it('starts a stopped sandbox again when it is asked for by its key', async () => {
    const request = { key: 'run:2:sandbox:1', owner: 'run_2', projectRoot: await makeProject() }
    const made = await client().create(request)
    await client().stop(made.id)

    expect(await client().create(request)).toEqual(made)
    expect(await client().state(made.id)).toBe('active')
  })

  it('lands nothing when the sandbox changed after the review', async () => {
    const projectRoot = await makeProject()
    const made = await client().create({ key: 'run:3:sandbox:1', owner: 'run_3', projectRoot })
    await writeFile(join(made.mergedDir, 'a.txt'), '1')
    const { files } = await client().diff(made.id)
    await writeFile(join(made.mergedDir, 'b.txt'), '1')

    const result = await client().applyAll(made.id, { actor: 'me', expected: files })

    expect(result).toMatchObject({ ok: false, reason: 'conflict', paths: ['b.txt'] })
    expect(Object.keys(await readTree(projectRoot, isGit))).not.toContain('a.txt')
  })

  it('reports a project that moved on as a conflict that names the paths', async () => {
    const projectRoot = await makeProject()
    const made = await client().create({ key: 'run:4:sandbox:1', owner: 'run_4', projectRoot })
    await writeFile(join(made.mergedDir, 'README.md'), 'agent\n')
    await writeFile(join(projectRoot, 'README.md'), 'person\n')
    const { files } = await client().diff(made.id)

    const result = await client().applyAll(made.id, { actor: 'me', expected: files })

    expect(result).toMatchObject({ ok: false, reason: 'conflict', paths: ['README.md'] })
    expect(await readFile(join(projectRoot, 'README.md'), 'utf8')).toBe('person\n')
  })

  it('takes no changes for a finished landing without asking for one', async () => {
    const made = await client().create({
      key: 'run:5:sandbox:1',
      owner: 'run_5',
      projectRoot: await makeProject(),
    })

    expect(await client().applyAll(made.id, { actor: 'me', expected: [] })).toEqual({ ok: true, applied: 0 })
    expect(await client().state(made.id)).toBe('active')
  })

  it('never tells the token when it is the wrong one', async () => {
    const error = await clientOf(server.url, 'wrong-secret')
      .diff('x')
      .catch((thrown: unknown) => thrown)

    expect(error).toMatchObject({ code: 'SANDBOX_OPERATION', message: expect.stringContaining('token') })
    expect(JSON.stringify(error) + String(error)).not.toMatch(/wrong-secret|client-secret/)
  })
})

describe('against a faulty service', () => {
  let faulty: FaultyServer | null = null
  afterEach(async () => {
    await faulty?.stop()
    faulty = null
  })
  const start = async (routes: Record<string, Script>) => {
    faulty = await startFaultyServer(routes)
    return faulty
  }
  const box = (status: string, id = 's1') => ({
    id,
    status,
    mergedDir: `/tmp/${id}`,
    driver: 'copy',
    activePids: null,
  })
  const file = { id: 'f1', filePath: 'a.txt', changeType: 'added' }
  const expected = [{ id: 'f1', path: 'a.txt', changeType: 'added' }] as const
  const landing = { actor: 'me', expected }
  const routesFor = (approve: Script, states: string[]): Record<string, Script> => ({
    'GET /api/v1/sandboxes/s1': (response, seen, times) =>
      answer(200, box(states[Math.min(times, states.length - 1)]!))(response, seen, times),
    'GET /api/v1/sandboxes/s1/diff': answer(200, { files: [file], unifiedDiff: 'text' }),
    'POST /api/v1/sandboxes/s1/approve': approve,
  })

  it('does not believe a 200 that says it failed', async () => {
    const refusal = { success: false, applied: 0, failed: 1, remaining: 1, error: 'patch does not apply' }
    const { url, seen } = await start(routesFor(answer(200, refusal), ['active']))

    const result = await clientOf(url).applyAll('s1', landing)

    expect(result).toEqual({ ok: false, reason: 'conflict', message: 'patch does not apply', paths: [] })
    expect(seen.at(-1)?.body).toEqual({
      mode: 'files',
      fileIds: ['f1'],
      overrideAcceptance: true,
      actor: 'me',
      createCommit: false,
    })
  })

  it('does not believe a success that applied too little or left something over', async () => {
    for (const wrong of [
      { success: true, applied: 0, remaining: 1 },
      { success: true, applied: 1, remaining: 1, isPartial: true },
      { success: true, applied: 2, remaining: 0 },
      { applied: 1 },
      'nonsense',
    ]) {
      const { url } = await start(routesFor(answer(200, wrong), ['active']))
      await expect(clientOf(url).applyAll('s1', landing)).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
      await faulty?.stop()
    }
  })

  it('asks the sandbox after a cut connection: approved is done, active is a failure to retry', async () => {
    const landed = await start(routesFor(cut, ['active', 'approved']))
    expect(await clientOf(landed.url).applyAll('s1', landing)).toEqual({ ok: true, applied: 1 })
    await landed.stop()
    const open = await start(routesFor(cut, ['active', 'active']))
    await expect(clientOf(open.url).applyAll('s1', landing)).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
    })
    expect(open.seen.filter((each) => each.path.endsWith('/approve'))).toHaveLength(1)
  })

  it('tells the two kinds of 409 apart by the sandbox itself', async () => {
    const body = { error: 'both sides changed a file', code: 409, success: false, hint: 'x' }
    const moved = await start(routesFor(answer(409, body), ['active']))
    expect(await clientOf(moved.url).applyAll('s1', landing)).toMatchObject({
      ok: false,
      message: body.error,
    })
    await moved.stop()
    const dead = await start(routesFor(answer(409, body), ['active', 'rejected']))
    await expect(clientOf(dead.url).applyAll('s1', landing)).rejects.toMatchObject({
      code: 'SANDBOX_OPERATION',
    })
  })

  it('does not land a diff of other files', async () => {
    const { url, seen } = await start({
      ...routesFor(answer(200, { success: true, applied: 1 }), ['active']),
      'GET /api/v1/sandboxes/s1/diff': answer(200, {
        files: [{ ...file, changeType: 'modified' }],
        unifiedDiff: '',
      }),
    })

    expect(await clientOf(url).applyAll('s1', landing)).toMatchObject({ ok: false, paths: ['a.txt'] })
    expect(seen.some((each) => each.path.endsWith('/approve'))).toBe(false)
  })

  it('deletes dead sandboxes of its key and goes on with another key', async () => {
    const made: Script = (response, seen, times) =>
      answer(
        201,
        times < 2 ? box(times === 0 ? 'error' : 'deleted', `dead${times}`) : box('active', 'alive'),
      )(response, seen, times)
    const { url, seen } = await start({
      'POST /api/v1/sandboxes': made,
      'DELETE /api/v1/sandboxes/dead0': answer(204, ''),
      'DELETE /api/v1/sandboxes/dead1': answer(204, ''),
    })

    const sandbox = await clientOf(url).create({ key: 'k', owner: 'run_1', projectRoot: '/p' })

    expect(sandbox).toEqual({ id: 'alive', mergedDir: '/tmp/alive', driver: 'copy' })
    const creates = seen.filter((each) => each.method === 'POST')
    expect(creates.map((each) => each.body.idempotencyKey)).toEqual(['k', 'k~2', 'k~3'])
    expect(creates[0]?.body).toMatchObject({
      projectRoot: '/p',
      noLock: true,
      owner: 'agent-manager-test',
      behavior: { acceptance: { deny: { pathGlobs: ['**/.never'] } } },
    })
  })

  it('gives up on a service that only has dead sandboxes, and on one without a folder to work in', async () => {
    const dead = await start({ 'POST /api/v1/sandboxes': answer(201, box('deleted')) })
    const request = { key: 'k', owner: 'run_1', projectRoot: '/p' }
    await expect(clientOf(dead.url).create(request)).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
    expect(dead.seen.filter((each) => each.method === 'POST')).toHaveLength(4)
    await dead.stop()
    const odd = await start({
      'POST /api/v1/sandboxes': answer(201, { ...box('active'), mergedDir: 'relative' }),
    })
    await expect(clientOf(odd.url).create(request)).rejects.toMatchObject({ code: 'SANDBOX_OPERATION' })
  })

  it('tries a create once more after a 500, with the same key', async () => {
    const { url, seen } = await start({
      'POST /api/v1/sandboxes': (response, one, times) =>
        times === 0
          ? answer(500, { error: 'race', code: 500, success: false })(response, one, times)
          : answer(201, box('active'))(response, one, times),
    })

    await clientOf(url).create({ key: 'k', owner: 'run_1', projectRoot: '/p' })

    expect(seen.map((each) => each.body.idempotencyKey)).toEqual(['k', 'k'])
  })

  it('ends a body that trickles at the deadline and one without end at the cap', async () => {
    const { url } = await start({
      'GET /drops': (response) => {
        const timer = setInterval(() => response.write('{'), 20)
        response.on('close', () => clearInterval(timer))
      },
      'GET /flood': (response) => {
        const more = () => {
          while (response.writable && response.write(Buffer.alloc(1024 * 1024, 'x')));
        }
        response.on('drain', more).on('error', () => {})
        more()
      },
    })
    const transport = createTransport({ baseUrl: () => url, token: () => null })
    const startedAt = Date.now()

    const drops = await transport({ method: 'GET', path: 'drops', timeoutMs: 300 })
    expect(drops).toMatchObject({ kind: 'lost', error: { message: expect.stringContaining('300 ms') } })
    expect(Date.now() - startedAt).toBeLessThan(5000)
    const flood = await transport({ method: 'GET', path: 'flood', timeoutMs: 20_000 })
    expect(flood).toMatchObject({ kind: 'lost', error: { message: expect.stringContaining('larger than') } })
  })

  it('says that nothing was reached, naming the setting, when nobody listens', async () => {
    const { url, stop } = await start({})
    await stop()
    const request = { key: 'k', owner: 'run_1', projectRoot: '/p' }

    await expect(clientOf(url, 'top-secret').create(request)).rejects.toMatchObject({
      code: 'SANDBOX_UNAVAILABLE',
      message: expect.stringContaining('WORKSPACE_SANDBOX_URL'),
    })
    expect(await clientOf(url).health()).toMatchObject({ ok: false })
    const named = await clientOf('http://user:pw@127.0.0.1:1')
      .state('x')
      .catch((error: unknown) => error)
    expect(named).toMatchObject({ code: 'SANDBOX_UNAVAILABLE' })
    expect(String(named)).not.toContain('pw')
  })
})

describe('the embedded service as a child', () => {
  it('comes back with its sandboxes when it is killed, and ends when it is stopped', async () => {
    const baseDir = await makeFolder()
    const embedded = await startEmbeddedSandbox({
      baseDir,
      log: createLogger('silent'),
      environment: process.env,
    })
    try {
      const client = createSandboxClient({ baseUrl: embedded.url, token: embedded.token, owner: 'test' })
      const made = await client.create({ key: 'k', owner: 'run_1', projectRoot: await makeProject() })
      const first = embedded.url()
      const owner = await readFile(join(baseDir, 'lock/owner'), 'utf8')
      process.kill(Number(/pid (\d+)/.exec(owner)?.[1]), 'SIGKILL')

      await expect.poll(() => embedded.url(), { timeout: 15_000 }).not.toBe(first)

      expect(await client.state(made.id)).toBe('active')
      await embedded.stop()
      await embedded.stop()
      expect(await client.health()).toMatchObject({ ok: false })
    } finally {
      await embedded.stop()
    }
  })

  it('fails with the sentence of the service when it cannot start', async () => {
    const baseDir = await makeFolder()
    const start = startEmbeddedSandbox({
      baseDir,
      log: createLogger('silent'),
      environment: { PATH: '/nonexistent' },
    })

    await expect(start).rejects.toMatchObject({
      code: 'SANDBOX_UNAVAILABLE',
      message: expect.stringContaining('git'),
    })
  })
})
