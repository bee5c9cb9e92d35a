import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  commitAll,
  git,
  isGit,
  makeFolder,
  makeProject,
  readTree,
  writeFiles,
} from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

let server: SandboxServer
beforeAll(async () => {
  server = await startSandboxServer()
}, 30_000)
afterAll(async () => {
  await server.stop()
})

async function create(projectRoot: string) {
  const answer = await server.call('POST', '/api/v1/sandboxes', { projectRoot, noLock: true })
  expect(answer.status, answer.text).toBe(201)
  return { id: answer.json.id as string, dir: answer.json.mergedDir as string, json: answer.json }
}

const changedPaths = async (id: string) =>
  (await server.call('GET', `/api/v1/sandboxes/${id}/diff`)).json.files.map(
    (file: { changeType: string; filePath: string }) => `${file.changeType} ${file.filePath}`,
  )

/** What a lively agent does with git. */
async function playWithGit(dir: string): Promise<void> {
  await writeFile(join(dir, '.git/hooks-probe'), 'x')
  await mkdir(join(dir, '.git/hooks'), { recursive: true })
  await writeFile(join(dir, '.git/hooks/pre-commit'), '#!/bin/sh\ntouch hook-ran\n', {
    mode: 0o755,
  })
  await git(dir, 'config', 'core.fsmonitor', 'touch fsmonitor-ran')
  await git(dir, 'config', '--unset', 'core.fsmonitor')
  await writeFile(join(dir, 'agent.txt'), 'one\n')
  await git(dir, 'stash', '-u')
  await git(dir, 'stash', 'pop')
  await git(dir, 'checkout', '-q', '-b', 'agent')
  await git(dir, 'add', '-A')
  await git(dir, 'commit', '-qm', 'agent')
  await git(dir, 'tag', 'v1')
  await git(dir, 'gc', '-q', '--prune=now')
  expect(await git(dir, 'remote')).toBe('')
  expect(await git(dir, 'log', '--oneline')).toContain('agent')
}

/** Layout name -> the project folder, and the folders that hold its git data. */
const layouts: Record<string, () => Promise<{ root: string; gitFolders: string[] }>> = {
  'plain repository': async () => {
    const root = await makeProject()
    return { root, gitFolders: [join(root, '.git')] }
  },
  'linked worktree': async () => {
    const main = await makeProject()
    const root = join(await makeFolder(), 'tree')
    await git(main, 'worktree', 'add', '-q', '-b', 'side', root)
    return { root, gitFolders: [join(main, '.git')] }
  },
  submodule: async () => {
    const inner = await makeProject()
    const outer = await makeProject()
    await git(outer, 'submodule', '--quiet', 'add', inner, 'mod')
    await commitAll(outer, 'add module')
    return { root: join(outer, 'mod'), gitFolders: [join(outer, '.git')] }
  },
  'sub-folder': async () => {
    const top = await makeProject({ 'pkg/one/a.txt': '1\n', '.gitignore': '*.log\n/pkg/*/out\n' })
    await writeFiles(top, { 'pkg/one/out/x': '1', 'pkg/one/y.log': '1' })
    return { root: join(top, 'pkg/one'), gitFolders: [join(top, '.git')] }
  },
  'bare parent': async () => {
    const source = await makeProject()
    const parent = await makeFolder()
    await git(parent, 'clone', '-q', '--bare', source, '.bare')
    await writeFile(join(parent, '.git'), 'gitdir: ./.bare\n')
    await git(parent, 'worktree', 'add', '-q', 'main')
    return { root: join(parent, 'main'), gitFolders: [join(parent, '.bare')] }
  },
}

describe('git layouts', () => {
  for (const [name, make] of Object.entries(layouts)) {
    it(`keeps the git data of a project apart: ${name}`, async () => {
      const { root, gitFolders } = await make()
      await writeFile(join(root, 'dirty.txt'), 'dirty\n')
      const before = await Promise.all(gitFolders.map((folder) => readTree(folder)))
      const { id, dir, json } = await create(root)

      expect(await git(dir, 'status', '--porcelain')).toBe('?? dirty.txt')
      expect(await git(dir, 'symbolic-ref', 'HEAD')).toBe(await git(root, 'symbolic-ref', 'HEAD'))
      if (name !== 'sub-folder') expect(await git(dir, 'rev-parse', 'HEAD')).toBe(json.baseCommitHash)
      await playWithGit(dir)

      expect(await changedPaths(id)).toEqual(['added agent.txt', 'added hook-ran'])
      const approved = await server.call('POST', `/api/v1/sandboxes/${id}/approve`, {
        mode: 'all',
        overrideAcceptance: true,
      })
      expect(approved.json).toMatchObject({ success: true })
      expect(await readFile(join(root, 'agent.txt'), 'utf8')).toBe('one\n')
      expect(await Promise.all(gitFolders.map((folder) => readTree(folder)))).toEqual(before)
    })
  }

  it('shows in the copy just what was dirty in the project, with its own settings', async () => {
    const root = await makeProject({ 'crlf.txt': 'a\r\nb\r\n', '.gitignore': 'out/\n' })
    await git(root, 'config', 'core.autocrlf', 'true')
    await git(root, 'config', 'remote.origin.url', 'https://example.org/x.git')
    await writeFile(join(root, 'README.md'), 'dirty\n')
    await rm(join(root, 'docs/a.md'))
    await writeFiles(root, { 'new.txt': '1', 'out/x': '1' })
    const { id, dir } = await create(root)

    expect(await git(dir, 'status', '--porcelain')).toBe(await git(root, 'status', '--porcelain'))
    expect(await git(dir, 'config', '--get', 'core.autocrlf')).toBe('true')
    expect(await git(dir, 'remote')).toBe('')
    expect(await changedPaths(id)).toEqual([])
  })

  it('works on a project without a commit, with a detached head, and of sha256', async () => {
    const unborn = await makeFolder()
    await git(unborn, 'init', '-q', '-b', 'first')
    await writeFile(join(unborn, 'a'), '1')
    const detached = await makeProject()
    await git(detached, 'checkout', '-q', '--detach')
    const wide = await makeFolder()
    await git(wide, 'init', '-q', '--object-format=sha256')
    await writeFile(join(wide, 'a'), '1')
    await commitAll(wide, 'x')
    for (const root of [unborn, detached, wide]) {
      const { id, dir } = await create(root)
      await writeFile(join(dir, 'a'), '2')
      expect(await git(dir, 'status', '--porcelain')).toMatch(/a$/)
      expect(await changedPaths(id)).toHaveLength(1)
      const approved = await server.call('POST', `/api/v1/sandboxes/${id}/approve`)
      expect(approved.json, approved.text).toMatchObject({ success: true, applied: 1 })
      expect(await readFile(join(root, 'a'), 'utf8')).toBe('2')
    }
  })

  it('treats submodules and clones inside a project as plain files', async () => {
    const inner = await makeProject()
    const root = await makeProject()
    await git(root, 'submodule', '--quiet', 'add', inner, 'mod')
    await commitAll(root, 'add module')
    const before = await readTree(join(root, '.git'))
    const { id, dir } = await create(root)
    expect(await git(dir, 'status', '--porcelain')).toBe('')
    expect(await changedPaths(id)).toEqual([])
    await writeFile(join(dir, 'mod/src/app.txt'), 'x\n')

    expect(await changedPaths(id)).toEqual(['modified mod/src/app.txt'])
    const approved = await server.call('POST', `/api/v1/sandboxes/${id}/approve`)
    expect(approved.json).toMatchObject({ success: true, applied: 1 })
    expect(await readFile(join(root, 'mod/src/app.txt'), 'utf8')).toBe('x\n')
    expect(await readTree(join(root, '.git'))).toEqual(before)
  })

  it('works outside git, with a short list of ignored names or the rules of .agentignore', async () => {
    const plain = await makeFolder()
    await writeFiles(plain, { 'a.txt': '1\n', 'node_modules/m.js': '1' })
    const ruled = await makeFolder()
    await writeFiles(ruled, { 'a.txt': '1\n', '.agentignore': '*.gen\n' })
    for (const root of [plain, ruled]) {
      const { id, dir, json } = await create(root)
      expect(json).not.toHaveProperty('baseCommitHash')
      await writeFiles(dir, { 'a.txt': '2\n', 'b/c.gen': '1', 'node_modules/m.js': '2', 'dist/d.js': '1' })
      const ignored = root === plain ? 'b/c.gen' : 'node_modules/m.js'
      expect(await changedPaths(id)).toEqual(
        ['modified a.txt', 'added b/c.gen', 'added dist/d.js', 'added node_modules/m.js'].filter(
          (each) => each.endsWith(ignored) || each.endsWith('a.txt') || each.endsWith('d.js'),
        ),
      )
      const approved = await server.call('POST', `/api/v1/sandboxes/${id}/approve`)
      expect(approved.json).toMatchObject({ success: true, applied: 3 })
      expect((await readTree(root, isGit))['a.txt']).toBe((await readTree(dir))['a.txt'])
    }
  })
})
