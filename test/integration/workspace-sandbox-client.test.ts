import { chmod, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSandboxClient } from '../../adapters/workspace-sandbox/client.ts'
import { startEmbeddedSandbox } from '../../adapters/workspace-sandbox/embedded.ts'
import { createTransport } from '../../adapters/workspace-sandbox/transport.ts'
import { createLogger } from '../../internal/log.ts'
import { flood, startFaultyServer } from '../support/sandbox-faulty-server.ts'
import { isGit, makeFolder, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

const clientOf = (url: string, token: string | null = null) =>
  createSandboxClient({ baseUrl: () => url, token: () => token, owner: 'agent-manager-test', trusted: true })

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
    const landing = { actor: 'someone', expected: diff.files, projectRoot }
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

    const result = await client().applyAll(made.id, { actor: 'me', expected: files, projectRoot })

    expect(result).toMatchObject({ ok: false, reason: 'conflict', paths: ['b.txt'] })
    expect(Object.keys(await readTree(projectRoot, isGit))).not.toContain('a.txt')
  })

  it('reports a project that moved on as a conflict that names the paths', async () => {
    const projectRoot = await makeProject()
    const made = await client().create({ key: 'run:4:sandbox:1', owner: 'run_4', projectRoot })
    await writeFile(join(made.mergedDir, 'README.md'), 'agent\n')
    await writeFile(join(projectRoot, 'README.md'), 'person\n')
    const { files } = await client().diff(made.id)

    const result = await client().applyAll(made.id, { actor: 'me', expected: files, projectRoot })

    expect(result).toMatchObject({ ok: false, reason: 'conflict', paths: ['README.md'] })
    expect(await readFile(join(projectRoot, 'README.md'), 'utf8')).toBe('person\n')
  })

  it('takes no changes for a finished landing without asking for one', async () => {
    const projectRoot = await makeProject()
    const made = await client().create({ key: 'run:5:sandbox:1', owner: 'run_5', projectRoot })

    expect(await client().applyAll(made.id, { actor: 'me', expected: [], projectRoot })).toEqual({
      ok: true,
      applied: 0,
    })
    expect(await client().state(made.id)).toBe('active')
  })

  it('finds binaries, links, modes, folders and odd line ends landed as they are in the sandbox', async () => {
    const projectRoot = await makeProject({ '.gitattributes': '*.crlf text eol=crlf\n', 'x.crlf': 'a\r\n' })
    const made = await client().create({ key: 'run:6:sandbox:1', owner: 'run_6', projectRoot })
    await rm(join(made.mergedDir, 'docs/a.md'))
    await writeFiles(made.mergedDir, {
      'pic.png': Buffer.from([0, 1, 2, 255]),
      'x.crlf': 'a\r\nb\r\n',
      'docs/a.md/now a folder.md': 'x\n',
    })
    await chmod(join(made.mergedDir, 'README.md'), 0o755)
    await symlink('../outside', join(made.mergedDir, 'src/link'))
    await rm(join(made.mergedDir, 'src/old.txt'))
    const { files } = await client().diff(made.id)

    const result = await client().applyAll(made.id, { actor: 'me', expected: files, projectRoot })

    expect(result).toEqual({ ok: true, applied: files.length })
    expect(files.length).toBeGreaterThanOrEqual(7)
    expect(await readTree(projectRoot, isGit)).toEqual(await readTree(made.mergedDir, isGit))
  })

  it('lists what is ours with its key', async () => {
    const projectRoot = await makeProject()
    const made = await client().create({ key: 'run:7:sandbox:1', owner: 'run_7', projectRoot })

    const owned = await client().listOwned()

    expect(owned.find(({ id }) => id === made.id)).toMatchObject({ key: 'run:7:sandbox:1', state: 'active' })
    await client().delete(made.id)
    expect((await client().listOwned()).map(({ id }) => id)).not.toContain(made.id)
  })

  it('lands through a service it does not trust what that one could do, and refuses drift and binaries itself', async () => {
    const projectRoot = await makeProject()
    const wary = createSandboxClient({
      baseUrl: () => server.url,
      token: () => server.token,
      owner: 'agent-manager-test',
      path: process.env['PATH'] ?? '',
    })
    const made = await wary.create({ key: 'run:8:sandbox:1', owner: 'run_8', projectRoot })
    await writeFiles(made.mergedDir, { 'README.md': 'agent\n', 'pic.png': Buffer.from([0, 1]) })
    await wary.stop(made.id)
    const land = async () => {
      const { files } = await wary.diff(made.id)
      return wary.applyAll(made.id, { actor: 'me', expected: files, projectRoot })
    }

    expect(await land()).toMatchObject({ ok: false, reason: 'unable', paths: ['pic.png'] })
    const again = await wary.create({ key: 'run:8:sandbox:1', owner: 'run_8', projectRoot })
    expect(again).toEqual(made)
    await rm(join(made.mergedDir, 'pic.png'))
    await writeFile(join(projectRoot, 'README.md'), 'person\n')
    expect(await land()).toMatchObject({ ok: false, reason: 'conflict', paths: ['README.md'] })
    await writeFile(join(projectRoot, 'README.md'), '# readme\n')
    expect(await land()).toEqual({ ok: true, applied: 1 })
    expect(await land()).toEqual({ ok: true, applied: 0 })
    expect(await readFile(join(projectRoot, 'README.md'), 'utf8')).toBe('agent\n')
  })

  it('never tells the token when it is the wrong one', async () => {
    const error = await clientOf(server.url, 'wrong-secret')
      .diff('x')
      .catch((thrown: unknown) => thrown)

    expect(error).toMatchObject({ code: 'SANDBOX_OPERATION', message: expect.stringContaining('token') })
    expect(JSON.stringify(error) + String(error)).not.toMatch(/wrong-secret|client-secret/)
  })
})

describe('an address', () => {
  it('ends an answer without end at the cap', async () => {
    const { url, stop } = await startFaultyServer({ 'GET /flood': flood })
    const transport = createTransport({ baseUrl: () => url, token: () => null })

    const outcome = await transport({ method: 'GET', path: 'flood', timeoutMs: 20_000 })

    expect(outcome).toMatchObject({
      kind: 'lost',
      error: { message: expect.stringContaining('larger than') },
    })
    await stop()
  })

  it('says that nothing was reached, naming the setting, when nobody listens', async () => {
    const { url, stop } = await startFaultyServer({})
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
