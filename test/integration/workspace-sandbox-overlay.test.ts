/** What only an overlay can get wrong about what was changed. */
import { execFile } from 'node:child_process'
import {
  chmod,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { overlayProblem, overlaySuite, ROUTE } from '../support/sandbox-overlay.ts'
import {
  commitAll,
  git,
  isGit,
  makeFolder,
  makeProject,
  readTree,
  writeFiles,
} from '../support/sandbox-project.ts'

const problem = await overlayProblem()

describe.skipIf(problem !== null)('changes on an overlay', () => {
  const { server, act, create, changed, approveAll } = overlaySuite()

  it('takes dirty and untracked files as the base, and shows ignored ones without ever listing them', async () => {
    const root = await makeProject({
      '.gitignore': 'out/\n*.log\n',
      'kept.log': 'tracked\n',
      'gone.txt': '1',
    })
    await writeFiles(root, { 'README.md': 'dirty\n', 'new.txt': 'new\n', 'out/x': 'ignored\n', 'a.log': '1' })
    await rm(join(root, 'gone.txt'))
    await git(root, 'add', '-f', 'kept.log')
    const before = await readTree(root)
    const { id, dir } = await create(root)
    expect(await readTree(dir, isGit)).toEqual(await readTree(root, isGit))
    expect(await git(dir, 'status', '--porcelain')).toBe(await git(root, 'status', '--porcelain'))
    expect(await changed(id)).toEqual([])

    await writeFiles(dir, { 'out/x': 'agent\n', 'out/y': '1', 'b.log': '1', 'kept.log': 'agent\n' })
    await rm(join(dir, 'a.log'))

    expect(await changed(id)).toEqual(['modified kept.log'])
    expect(await readTree(root)).toEqual(before)
  })

  it('starts from nothing as well, in git and outside, and goes back to it', async () => {
    const plain = await makeFolder()
    const unborn = await makeFolder()
    await git(unborn, 'init', '-q')
    for (const root of [plain, unborn]) {
      const { id, dir } = await create(root)
      expect(await changed(id)).toEqual([])
      await writeFiles(dir, { 'in/new.txt': 'n\n' })
      expect(await changed(id)).toEqual(['added in/new.txt'])
      await approveAll(id, dir, root)

      const again = await create(root)
      await rm(join(again.dir, 'in'), { recursive: true })
      expect(await changed(again.id)).toEqual(['deleted in/new.txt'])
      await approveAll(again.id, again.dir, root)
    }
  })

  it('notices a change of the same size in the very second of the commit', async () => {
    const root = await makeProject({ 'racy.txt': 'one\n' })
    await writeFile(join(root, 'racy.txt'), 'two\n')
    const { id, dir } = await create(root)
    expect(await git(dir, 'status', '--porcelain')).toBe(' M racy.txt')
    expect(await changed(id)).toEqual([])

    await writeFile(join(dir, 'racy.txt'), 'one\n')

    expect(await changed(id)).toEqual(['modified racy.txt'])
    await approveAll(id, dir, root)
  })

  it('keeps the index of the project, staged files included, and lets the agent lose it', async () => {
    const root = await makeProject({ 'a.txt': 'a\n' })
    await writeFiles(root, { 'a.txt': 'staged\n', 'b.txt': 'staged\n' })
    await git(root, 'add', '-A')
    const before = await readTree(join(root, '.git'))
    const { id, dir } = await create(root)
    expect(await git(dir, 'status', '--porcelain')).toBe(await git(root, 'status', '--porcelain'))
    await git(dir, 'reset', '-q', '--hard')

    expect(await changed(id)).toEqual(['modified a.txt', 'deleted b.txt'])
    expect(await readTree(join(root, '.git'))).toEqual(before)
  })

  it('sees what is removed in every way, and folders made anew', async () => {
    const root = await makeProject({
      'd/1': '1\n',
      'd/2': '2\n',
      'd/deep/3': '3\n',
      'e/1': '1\n',
      'e/in/2': '2\n',
      'file-to-folder': 'x\n',
      'folder-to-file/a': 'x\n',
      'folder-to-link/a': 'x\n',
    })
    const { id, dir } = await create(root)
    await rm(join(dir, 'd'), { recursive: true })
    await mkdir(join(dir, 'd/deep'), { recursive: true })
    await writeFiles(dir, { 'd/2': '2\n', 'd/deep/new': 'n\n' })
    await rm(join(dir, 'e'), { recursive: true })
    await rm(join(dir, 'file-to-folder'))
    await writeFiles(dir, { 'file-to-folder/in': 'y\n' })
    await rm(join(dir, 'folder-to-file'), { recursive: true })
    await writeFile(join(dir, 'folder-to-file'), 'y\n')
    await rm(join(dir, 'folder-to-link'), { recursive: true })
    await symlink('src', join(dir, 'folder-to-link'))
    const expected = [
      'deleted d/1',
      'deleted d/deep/3',
      'added d/deep/new',
      'deleted e/1',
      'deleted e/in/2',
      'deleted file-to-folder',
      'added file-to-folder/in',
      'added folder-to-file',
      'deleted folder-to-file/a',
      'added folder-to-link',
      'deleted folder-to-link/a',
    ]
    expect(await changed(id)).toEqual(expected)

    await act(id, 'stop')
    expect(await changed(id)).toEqual(expected)
    await act(id, 'start')
    await approveAll(id, dir, root)
  })

  it('sees everything gone, and what is left when the project lost the rest itself', async () => {
    const root = await makeProject()
    const { id, dir } = await create(root)
    await writeFile(join(dir, 'src/app.txt'), 'agent\n')
    expect(await changed(id)).toEqual(['modified src/app.txt'])
    await rm(join(root, 'src/old.txt'))
    await rm(join(root, 'docs'), { recursive: true })
    expect(await changed(id)).toEqual(['modified src/app.txt'])

    for (const name of await readdir(dir)) {
      if (name !== '.git') await rm(join(dir, name), { recursive: true })
    }
    expect(await changed(id)).toContain('deleted README.md')
  })

  it('never takes files for removed because somebody made their folder anew in the project', async () => {
    const main = await makeProject({ 'src/in/a.txt': 'a\n', 'src/in/b.txt': 'b\n' })
    const root = join(await makeFolder(), 'tree')
    await git(main, 'worktree', 'add', '-q', '--detach', root)
    const { id, dir } = await create(root)
    await writeFiles(dir, { 'src/app.txt': 'agent\n', 'src/in/a.txt': 'agent\n' })
    await rm(join(root, 'src'), { recursive: true })
    await git(root, 'checkout', '--', 'src')
    expect(await changed(id)).toEqual(['modified src/app.txt', 'modified src/in/a.txt'])

    await git(main, 'worktree', 'remove', '--force', root)
    await git(main, 'worktree', 'add', '-q', '--detach', root)
    expect(await changed(id)).toEqual(['modified src/app.txt', 'modified src/in/a.txt'])
  })

  it('takes renamed folders, hard links, modes, times and links for what they are', async () => {
    const root = await makeProject({
      'd/1': '1\n',
      'd/2': '2\n',
      'touched.txt': 't\n',
      'run.sh': '#!/bin/sh\n',
    })
    await symlink('README.md', join(root, 'link'))
    await commitAll(root, 'link')
    await link(join(root, 'd/1'), join(root, 'd/hard'))
    const { id, dir } = await create(root)
    // The way of mv: the kernel refuses to rename a folder of the project, so it is copied and removed.
    await promisify(execFile)('mv', [join(dir, 'd'), join(dir, 'moved')])
    await mkdir(join(dir, 'own'))
    await writeFile(join(dir, 'own/a'), 'a\n')
    await rename(join(dir, 'own'), join(dir, 'renamed'))
    await link(join(dir, 'renamed/a'), join(dir, 'renamed/b'))
    await utimes(join(dir, 'touched.txt'), 1, 1)
    await chmod(join(dir, 'run.sh'), 0o755)
    await rm(join(dir, 'link'))
    await symlink('/etc/hostname', join(dir, 'link'))
    await chmod(join(dir, 'src'), 0o700)

    expect(await changed(id)).toEqual([
      'deleted d/1',
      'deleted d/2',
      'deleted d/hard',
      'modified link',
      'added moved/1',
      'added moved/2',
      'added moved/hard',
      'added renamed/a',
      'added renamed/b',
      'modified run.sh',
    ])
    await approveAll(id, dir, root)
  })

  it('reads bytes and not what git makes of them: line ends, filters, flags that hide changes', async () => {
    const root = await makeProject({
      '.gitattributes':
        '*.crlf text eol=crlf\n*.big filter=lfs\n*.id ident\n*.wide working-tree-encoding=UTF-16LE\n',
      'a.crlf': 'one\r\ntwo\r\n',
      'b.id': '$Id$\n',
      'c.wide': Buffer.from('wide\n', 'utf16le'),
      'hidden.txt': 'h\n',
      'skipped.txt': 's\n',
      'data.big': 'pointer\n',
    })
    await git(root, 'config', 'filter.lfs.clean', 'tr a-z A-Z')
    await git(root, 'config', 'filter.lfs.smudge', 'tr A-Z a-z')
    await rm(join(root, 'data.big'))
    await writeFile(join(root, 'data.big'), 'content\n')
    await commitAll(root, 'filtered')
    await rm(join(root, 'b.id'))
    await git(root, 'checkout', '--', 'b.id')
    await git(root, 'update-index', '--assume-unchanged', 'hidden.txt')
    await git(root, 'update-index', '--skip-worktree', 'skipped.txt')
    await writeFiles(root, { 'hidden.txt': 'hidden change\n', 'skipped.txt': 'skipped change\n' })
    const { id, dir } = await create(root)
    expect(await changed(id)).toEqual([])
    const names = ['a.crlf', 'b.id', 'c.wide', 'data.big', 'hidden.txt', 'skipped.txt']
    for (const name of names) {
      await writeFile(join(dir, name), await readFile(join(root, name)))
    }
    expect(await changed(id)).toEqual([])

    for (const name of names) await writeFile(join(dir, name), Buffer.from('new\r\n'))
    expect(await changed(id)).toEqual(names.map((name) => `modified ${name}`))
    await approveAll(id, dir, root)
    expect(await readFile(join(root, 'data.big'), 'utf8')).toBe('new\r\n')
  })

  it('works on projects whose path or names have signs of mount, git and other encodings in them', async () => {
    const parent = await makeFolder()
    const plain = await makeProject({ ':(top)x': '1\n', 'a,b:c\\d/e\nf': '1\n', 'ünï/x y': '1\n' })
    const root = join(parent, 'a:b,c\\d e"\'ü$(x)')
    await rename(plain, root)
    const { id, dir } = await create(root)
    expect(await readTree(dir, isGit)).toEqual(await readTree(root, isGit))
    await writeFiles(dir, { ':(top)x': '2\n', 'a,b:c\\d/e\nf': '2\n', 'ünï/x y': '2\n', ':new': '1\n' })
    expect(await changed(id)).toHaveLength(4)
    await approveAll(id, dir, root)
    await rename(root, plain)
  })

  it('hides the pointers of submodules and linked work trees, so that no commit reaches the project', async () => {
    const inner = await makeProject()
    const root = await makeProject({ '.gitignore': 'trees/\n' })
    await git(root, 'submodule', '--quiet', 'add', inner, 'lib/mod')
    await commitAll(root, 'add module')
    await git(root, 'worktree', 'add', '-q', '-b', 'side', 'trees/side')
    await writeFiles(root, { 'found/.git': `gitdir: ${join(inner, '.git')}\n`, 'found/a': '1\n' })
    const before = [await readTree(join(root, '.git')), await readTree(join(inner, '.git'))]
    const { id, dir } = await create(root)

    await server().call('GET', `${ROUTE}/${id}/conflicts`) // waits for the base
    expect(await changed(id)).toEqual([])
    for (const folder of ['lib/mod', 'trees/side', 'found']) {
      expect(await readdir(join(dir, folder)), folder).not.toContain('.git')
      expect(await git(join(dir, folder), 'rev-parse', '--show-toplevel')).toBe(dir)
    }
    await writeFiles(dir, { 'lib/mod/src/app.txt': 'agent\n', 'found/a': '2\n' })
    await git(join(dir, 'found'), 'add', 'a')
    await git(join(dir, 'found'), 'commit', '-qm', 'agent')
    expect(await changed(id)).toEqual(['modified found/a', 'modified lib/mod/src/app.txt'])
    expect([await readTree(join(root, '.git')), await readTree(join(inner, '.git'))]).toEqual(before)
    expect(await readdir(join(root, 'lib/mod'))).toContain('.git')
  })

  it('reads projects whose index cannot be copied: split, of format 4, of a sparse checkout, unmerged', async () => {
    const projects = await Promise.all(
      Array.from({ length: 4 }, () => makeProject({ 'in/a.txt': 'a\n', 'out/c.txt': 'c\n' })),
    )
    const [split, four, sparse, unmerged] = projects
    await git(split!, 'update-index', '--split-index')
    await git(four!, 'update-index', '--index-version', '4')
    await git(sparse!, 'sparse-checkout', 'set', '--cone', '--sparse-index', 'in')
    await git(unmerged!, 'checkout', '-q', '-b', 'side')
    await writeFile(join(unmerged!, 'out/c.txt'), 'side\n')
    await commitAll(unmerged!, 'side')
    await git(unmerged!, 'checkout', '-q', 'main')
    await writeFile(join(unmerged!, 'out/c.txt'), 'main\n')
    await commitAll(unmerged!, 'main')
    await expect(git(unmerged!, 'merge', '-q', 'side')).rejects.toThrow('Command failed')
    for (const root of projects) {
      const { id, dir } = await create(root)
      expect(await changed(id)).toEqual([])
      await writeFiles(dir, { 'in/a.txt': 'agent\n', 'out/c.txt': 'agent\n' })
      const type = root === sparse ? 'added' : 'modified'
      expect(await changed(id)).toEqual(['modified in/a.txt', `${type} out/c.txt`])
      await approveAll(id, dir, root)
    }
  })
})
