import { chmod, mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { v5 } from 'uuid'
import { expect } from 'vitest'
import { APP_TEXT, git, isGit, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import { checklist, pathsOf, type Sandbox } from './checklist.ts'

/** An edit, additions and a deletion of every kind that section 10 of the contract names. */
async function playAgent(dir: string): Promise<void> {
  await writeFile(join(dir, 'src/app.txt'), APP_TEXT.replace('line 2\n', 'line TWO\n'))
  await writeFiles(dir, {
    'src/new.txt': 'hello\nworld\n!',
    'src/empty.txt': '',
    'src/nl.txt': '\n',
    'src/one.txt': '1\n',
  })
  await unlink(join(dir, 'src/old.txt'))
}

const EXPECTED = `diff --git a/src/app.txt b/src/app.txt
--- a/src/app.txt
+++ b/src/app.txt
@@ -1,5 +1,5 @@
 line 1
-line 2
+line TWO
 line 3
 line 4
 line 5
diff --git a/src/empty.txt b/src/empty.txt
new file mode 100644
--- /dev/null
+++ b/src/empty.txt
diff --git a/src/new.txt b/src/new.txt
new file mode 100644
--- /dev/null
+++ b/src/new.txt
@@ -0,0 +1,3 @@
+hello
+world
+!
\\ No newline at end of file
diff --git a/src/nl.txt b/src/nl.txt
new file mode 100644
--- /dev/null
+++ b/src/nl.txt
@@ -0,0 +1 @@
+
diff --git a/src/old.txt b/src/old.txt
deleted file mode 100644
--- a/src/old.txt
+++ /dev/null
@@ -1,2 +0,0 @@
-to be removed
-second
diff --git a/src/one.txt b/src/one.txt
new file mode 100644
--- /dev/null
+++ b/src/one.txt
@@ -0,0 +1,1 @@
+1
`

checklist('diff', (on) => {
  const edited = async (files: Record<string, string> = {}): Promise<Sandbox & { root: string }> => {
    const root = await makeProject(files)
    return { root, ...(await on.create(root)) }
  }

  on.item('C', 23, 'lists changed files sorted, with stable ids and counts of files', async () => {
    const { id, dir } = await edited()
    await playAgent(dir)
    const diff = await on.diff(id)
    expect(pathsOf(diff)).toEqual([
      'modified src/app.txt',
      'added src/empty.txt',
      'added src/new.txt',
      'added src/nl.txt',
      'deleted src/old.txt',
      'added src/one.txt',
    ])
    const ids = (of: { files: { id: string }[] }) => of.files.map((file) => file.id)
    expect(ids(diff)).toEqual(diff.files.map((file: { filePath: string }) => v5(file.filePath, id)))
    expect(ids(await on.diff(id))).toEqual(ids(diff))
    expect(diff).toMatchObject({ sandboxId: id, totalAdded: 4, totalModified: 1, totalDeleted: 1 })
    expect(diff.files[0]).toMatchObject({ sandboxId: id, fileMode: 420, approvalStatus: 'pending' })
  })

  on.item('C', 24, 'prints the diff in the exact format, which git can apply', async () => {
    const { root, id, dir } = await edited()
    await playAgent(dir)
    const { unifiedDiff } = await on.diff(id)
    expect(unifiedDiff).toBe(EXPECTED)
    const folder = await mkdtemp(join(tmpdir(), 'sandbox-patch-'))
    await writeFile(join(folder, 'patch'), unifiedDiff)
    await git(root, 'apply', '--check', join(folder, 'patch'))
    await rm(folder, { recursive: true })
  })

  on.item('C', 25, 'prints odd ends of lines and odd names as they are', async () => {
    const { id, dir } = await edited({
      'crlf.md': 'a\r\nb\r\n',
      'was-empty.md': '',
      'spaces in name/ü ñ.md': 'x\n',
      'x.sql': '-- a\n-- b\nc\n',
    })
    await writeFiles(dir, {
      'crlf.md': 'a\r\nB\r\n',
      'docs/a.md': 'a',
      'was-empty.md': '\n',
      'spaces in name/ü ñ.md': 'y\n',
      'x.sql': '++ a\n@@ -1 +1 @@\ndiff --git a/x b/x\n',
    })
    const { unifiedDiff } = await on.diff(id)
    expect(unifiedDiff).toContain(' a\r\n-b\r\n+B\r\n')
    expect(unifiedDiff).toContain('-a\n+a\n\\ No newline at end of file\n')
    expect(unifiedDiff).toContain('--- a/was-empty.md\n+++ b/was-empty.md\n@@ -0,0 +1 @@\n+\n')
    expect(unifiedDiff).toContain('--- a/spaces in name/ü ñ.md\n')
    expect(unifiedDiff).toContain(
      '--- a/x.sql\n+++ b/x.sql\n@@ -1,3 +1,3 @@\n--- a\n--- b\n-c\n+++ a\n+@@ -1 +1 @@\n+diff --git a/x b/x\n',
    )
  })

  on.item('C', 26, 'shows that a new file can be executed', async () => {
    const { id, dir } = await edited()
    await writeFile(join(dir, 'tool'), '#!/bin/sh\n', { mode: 0o755 })
    const { unifiedDiff } = await on.diff(id)
    expect(unifiedDiff).toContain('diff --git a/tool b/tool\nnew file mode 100755\n')
  })

  on.item('I', 26, 'shows and applies a change of the mode alone', async () => {
    const { root, id, dir } = await edited()
    await chmod(join(dir, 'README.md'), 0o755)
    const { unifiedDiff } = await on.diff(id)
    expect(unifiedDiff).toBe('diff --git a/README.md b/README.md\nold mode 100644\nnew mode 100755\n')
    expect((await on.approve(id)).json).toMatchObject({ success: true, applied: 1, remaining: 0 })
    expect((await readTree(root, isGit))['README.md']).toMatch(/^755 /)
  })

  on.item('I', 27, 'carries binary files and symlinks through diff and approval', async () => {
    const bytes = Buffer.from([0, 1, 2, 255, 254, 10, 13, 0])
    const root = await makeProject({ 'blob.bin': bytes, 'gone.bin': bytes, 'latin1.md': 'caf\u00e9\n' })
    await symlink('README.md', join(root, 'link'))
    await symlink('src', join(root, 'dirlink'))
    const { id, dir } = await on.create(root)
    await writeFiles(dir, {
      'blob.bin': Buffer.concat([bytes, bytes]),
      'new.bin': bytes,
      'latin1.md': Buffer.from([0x63, 0x61, 0x66, 0xe9, 10]),
    })
    for (const path of ['gone.bin', 'link', 'dirlink']) await unlink(join(dir, path))
    await symlink('../outside/nowhere', join(dir, 'link'))
    await symlink('dangling', join(dir, 'fresh-link'))
    await writeFiles(dir, { 'dirlink/own': '1' })

    const diff = await on.diff(id)
    expect(diff.unifiedDiff).toContain(
      'diff --git a/new.bin b/new.bin\nnew file mode 100644\nBinary file new.bin\n',
    )
    expect(diff.unifiedDiff).toContain('Binary files a/blob.bin and b/blob.bin differ\n')
    expect((await on.approve(id)).json).toMatchObject({ success: true, applied: diff.files.length })
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
  })

  on.item('C', 28, 'never shows .git', async () => {
    const { id, dir } = await edited()
    await writeFiles(dir, { '.git/description': 'x', 'new.txt': '1' })
    expect(pathsOf(await on.diff(id))).toEqual(['added new.txt'])
  })

  on.item('I', 28, 'shows other dot files', async () => {
    const { id, dir } = await edited({ '.config/settings': '1\n' })
    await writeFiles(dir, { '.env': 'A=1\n', '.config/settings': '2\n', '.github/x.yml': 'y\n' })
    expect(pathsOf(await on.diff(id))).toEqual([
      'modified .config/settings',
      'added .env',
      'added .github/x.yml',
    ])
  })

  on.item('I', 29, 'lists each file of a removed folder once, also when it is made anew', async () => {
    const { root, id, dir } = await edited({ 'd/1': '1', 'd/2': '2', 'e/deep/1': '1', 'f/1': '1' })
    await rm(join(dir, 'd'), { recursive: true })
    await rm(join(dir, 'e'), { recursive: true })
    await rm(join(dir, 'f'), { recursive: true })
    expect(pathsOf(await on.diff(id))).toEqual([
      'deleted d/1',
      'deleted d/2',
      'deleted e/deep/1',
      'deleted f/1',
    ])
    await writeFiles(dir, { 'd/2': '2', 'd/3': '3', f: 'a file now' })
    expect(pathsOf(await on.diff(id))).toEqual([
      'deleted d/1',
      'added d/3',
      'deleted e/deep/1',
      'added f',
      'deleted f/1',
    ])
    expect((await on.approve(id)).json).toMatchObject({ success: true, applied: 5, remaining: 0 })
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
  })

  on.item('C', 29, 'does not list an empty folder', async () => {
    const { id, dir } = await edited()
    await mkdir(join(dir, 'nothing/here'), { recursive: true })
    expect(pathsOf(await on.diff(id))).toEqual([])
  })

  on.item('C', 30, 'names files by the scope and patches by the project', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root, { scopePath: 'src' })
    await writeFile(join(dir, 'app.txt'), `${APP_TEXT}more\n`)
    const diff = await on.diff(id)
    expect(pathsOf(diff)).toEqual(['modified app.txt'])
    expect(diff.unifiedDiff).toContain('diff --git a/src/app.txt b/src/app.txt\n--- a/src/app.txt\n')
    expect((await on.approve(id)).json).toMatchObject({ success: true, applied: 1 })
    expect((await readTree(join(root, 'src')))['app.txt']).toBe((await readTree(dir, isGit))['app.txt'])
  })
})
