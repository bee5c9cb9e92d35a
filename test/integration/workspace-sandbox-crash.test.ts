import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { isGit, makeFolder, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import { endChild, launchSandbox, type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

const ROUTE = '/api/v1/sandboxes'
let server: SandboxServer
afterEach(async () => {
  await server.stop()
})

async function sandboxWithChanges() {
  const root = await makeProject({ 'd/1': '1', 'd/2': '2' })
  const { json } = await server.call('POST', ROUTE, { projectRoot: root })
  await server.call('GET', `${ROUTE}/${json.id}/conflicts`) // waits for its base
  await writeFiles(json.mergedDir, { 'a.txt': 'a\n', 'src/app.txt': 'changed\n' })
  await rm(join(json.mergedDir, 'd/1'))
  return { root, id: json.id as string, dir: json.mergedDir as string }
}

const get = async (id: string) => (await server.call('GET', `${ROUTE}/${id}`)).json

/** Edits the stored row while no process runs, to what a crash at some moment leaves behind. */
async function rewriteRow(id: string, edit: (row: Record<string, unknown>) => object): Promise<void> {
  const file = join(server.baseDir, 'rows', `${id}.json`)
  await writeFile(file, JSON.stringify(edit(JSON.parse(await readFile(file, 'utf8')))))
}

/** Stops in the middle of a landing: the intent is written and some files have landed. */
async function crashWhileLanding() {
  const made = await sandboxWithChanges()
  const before = JSON.parse(await readFile(join(server.baseDir, 'rows', `${made.id}.json`), 'utf8'))
  // A landing in another project yields the tree hash: approve here, then put the project and the row back.
  const originals = await readTree(made.root, isGit)
  const contents = await Promise.all(['src/app.txt', 'd/1'].map((path) => readFile(join(made.root, path))))
  await server.call('POST', `${ROUTE}/${made.id}/approve`)
  await server.crash()
  await writeFiles(made.root, { 'src/app.txt': contents[0]!, 'd/1': contents[1]! })
  await rm(join(made.root, 'a.txt'))
  expect(await readTree(made.root, isGit)).toEqual(originals)
  await rewriteRow(made.id, (row) => ({
    ...before,
    intent: { fromTree: before.baseTree, toTree: row['baseTree'], complete: true },
  }))
  await writeFile(join(made.root, `.sandbox-landing-${made.id}-a.txt`), 'half a fi')
  await writeFile(join(made.root, 'src/app.txt'), 'changed\n')
  return made
}

describe('after a crash', () => {
  it('keeps its sandboxes, their diffs and their keys', async () => {
    server = await startSandboxServer()
    const { id, dir } = await sandboxWithChanges()
    const diff = async () => (await server.call('GET', `${ROUTE}/${id}/diff`)).json
    const before = await diff()
    await server.crash()
    await writeFile(join(server.baseDir, id, 'base.git', 'index.lock'), '') // of a git that was killed too

    await server.restart()

    expect(await get(id)).toMatchObject({ status: 'active', mergedDir: dir })
    expect((await diff()).unifiedDiff).toBe(before.unifiedDiff)
    expect((await diff()).files.map((file: { id: string }) => file.id)).toEqual(
      before.files.map((file: { id: string }) => file.id),
    )
  })

  it('finishes a landing that was cut', async () => {
    server = await startSandboxServer()
    const { root, id, dir } = await crashWhileLanding()

    await server.restart()

    expect(await get(id)).toMatchObject({ status: 'approved' })
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
  })

  it('marks a landing it cannot finish without overwriting what others wrote', async () => {
    server = await startSandboxServer()
    const { root, id } = await crashWhileLanding()
    await writeFile(join(root, 'd/1'), 'a person was here\n')

    await server.restart()

    expect(await get(id)).toMatchObject({ status: 'error', errorMessage: expect.stringContaining('d/1') })
    expect(await readFile(join(root, 'd/1'), 'utf8')).toBe('a person was here\n')
    expect(await readdir(root)).not.toContain('a.txt')
  })

  it('buries what was half made or half deleted, and folders nobody knows', async () => {
    server = await startSandboxServer()
    const half = await sandboxWithChanges()
    await server.call('POST', `${ROUTE}/${half.id}/stop`)
    const going = await sandboxWithChanges()
    await server.crash()
    await rewriteRow(half.id, (row) => ({ ...row, status: 'creating', mergedDir: null, baseTree: null }))
    await rewriteRow(going.id, (row) => ({ ...row, status: 'deleted' }))
    const stray = '0c7d8f1e-0000-4000-8000-000000000000'
    await writeFiles(server.baseDir, { [`${stray}/workspace/x`]: '1', '.trash-1/x': '1', 'kept/x': '1' })

    await server.restart()

    expect(await get(half.id)).toMatchObject({ status: 'error', errorMessage: expect.any(String) })
    expect(await get(going.id)).toMatchObject({ status: 'deleted' })
    await expect
      .poll(async () => (await readdir(server.baseDir)).toSorted())
      .toEqual(['kept', 'lock', 'rows'])
  })

  it('ends up with the old or the new project when it is killed at any moment of an approval', async () => {
    server = await startSandboxServer()
    const root = await makeProject(
      Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`f/${i}`, `${i}\n`])),
    )
    const { json } = await server.call('POST', ROUTE, { projectRoot: root })
    await writeFiles(
      json.mergedDir,
      Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`f/${i}`, `new ${i}\n`])),
    )
    const before = await readTree(root, isGit)

    const cut = server.call('POST', `${ROUTE}/${json.id}/approve`).catch(() => null)
    const deadline = Date.now() + 10_000
    while ((await readFile(join(root, 'f/20'), 'utf8')) === '20\n' && Date.now() < deadline) await stat(root)
    await server.crash()
    await cut
    await server.restart()

    expect(before).not.toEqual(await readTree(root, isGit))
    expect(await get(json.id)).toMatchObject({ status: 'approved' })
    expect(await readTree(root, isGit)).toEqual(await readTree(json.mergedDir, isGit))
  })
})

describe('start', () => {
  it('refuses what it cannot do with one sentence and an exit code', async () => {
    server = await startSandboxServer()
    const env = { SANDBOX_BASE_DIR: await makeFolder(), PORT: '0' }

    await expect(launchSandbox({ ...env, SANDBOX_DRIVER: 'fuse' })).rejects.toThrow(
      /exit 64: .*SANDBOX_DRIVER/,
    )
    await expect(launchSandbox({ ...env, PORT: 'x' })).rejects.toThrow(/exit 64: .*PORT/)
    await expect(launchSandbox({ ...env, PATH: '/nonexistent' })).rejects.toThrow(/exit 69: .*package "git"/)
  })

  it('lets one process at a time use a folder', async () => {
    server = await startSandboxServer()

    await expect(launchSandbox({ SANDBOX_BASE_DIR: server.baseDir, PORT: '0' })).rejects.toThrow(
      /exit 69: .*in use/,
    )
  }, 20_000)

  it('ends when the program that embeds it has died', async () => {
    server = await startSandboxServer()
    const baseDir = await makeFolder()
    const { child } = await launchSandbox({ SANDBOX_BASE_DIR: baseDir, PORT: '0', SANDBOX_WATCH_STDIN: '1' })
    const code = new Promise((resolve) => child.once('exit', resolve))

    child.stdin?.end()

    expect(await code).toBe(0)
    await endChild(child, 'SIGKILL')
  })
})
