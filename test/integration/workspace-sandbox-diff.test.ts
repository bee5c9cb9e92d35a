import { appendFile, mkdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { v5 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callsOf } from '../support/sandbox-calls.ts'
import { APP_TEXT, git, makeProject, writeFiles } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

let server: SandboxServer
beforeAll(async () => {
  server = await startSandboxServer()
}, 30_000)
afterAll(async () => {
  await server.stop()
})

const { create, diffOf, approve, pathsOf } = callsOf(() => server)

describe('diff', () => {
  it('is empty for an untouched sandbox', async () => {
    const { id } = await create(await makeProject({ 'dirty.txt': 'x' }))

    const diff = await diffOf(id)

    expect(diff).toMatchObject({
      files: [],
      unifiedDiff: '',
      totalAdded: 0,
      totalDeleted: 0,
      totalModified: 0,
    })
  })

  it('shows an edit, an addition and a deletion in the exact format, with stable ids', async () => {
    const root = await makeProject()
    const { id, dir } = await create(root)
    await writeFile(join(dir, 'src/app.txt'), APP_TEXT.replace('line 2\n', 'line TWO\n'))
    await writeFiles(dir, {
      'src/new.txt': 'hello\nworld\n!',
      'src/empty.txt': '',
      'src/nl.txt': '\n',
      'src/one.txt': '1\n',
    })
    await unlink(join(dir, 'src/old.txt'))

    const diff = await diffOf(id)

    expect(pathsOf(diff)).toEqual([
      'modified src/app.txt',
      'added src/empty.txt',
      'added src/new.txt',
      'added src/nl.txt',
      'deleted src/old.txt',
      'added src/one.txt',
    ])
    expect(diff.files.map((file: { id: string }) => file.id)).toEqual(
      diff.files.map((file: { filePath: string }) => v5(file.filePath, id)),
    )
    expect(diff.files[0]).toMatchObject({ sandboxId: id, fileMode: 420, approvalStatus: 'pending' })
    expect(diff).toMatchObject({ totalAdded: 4, totalModified: 1, totalDeleted: 1 })
    expect(diff.unifiedDiff).toBe(`diff --git a/src/app.txt b/src/app.txt
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
`)
    await writeFile(join(root, '../patch'), diff.unifiedDiff)
    await git(root, 'apply', '--check', join(root, '../patch'))
    await rm(join(root, '../patch'))
    expect((await diffOf(id)).files.map((file: { id: string }) => file.id)).toEqual(
      diff.files.map((file: { id: string }) => file.id),
    )
  })

  it('is not confused by lines that look like patch syntax', async () => {
    const { id, dir } = await create(await makeProject({ 'x.sql': '-- a\n-- b\nc\n' }))
    await writeFile(join(dir, 'x.sql'), '++ a\n@@ -1 +1 @@\ndiff --git a/x b/x\n')

    expect((await diffOf(id)).unifiedDiff).toBe(
      'diff --git a/x.sql b/x.sql\n--- a/x.sql\n+++ b/x.sql\n@@ -1,3 +1,3 @@\n--- a\n--- b\n-c\n+++ a\n+@@ -1 +1 @@\n+diff --git a/x b/x\n',
    )
  })

  it('never shows .git, shows other dot files, and keeps empty folders out', async () => {
    const { id, dir } = await create(await makeProject())
    await writeFiles(dir, { '.env': 'A=1\n', '.git/description': 'x' })
    await mkdir(join(dir, 'nothing/here'), { recursive: true })

    expect(pathsOf(await diffOf(id))).toEqual(['added .env'])
  })

  it('lists each file of a removed folder once, and a folder made anew as its files', async () => {
    const { id, dir } = await create(await makeProject({ 'd/1': '1', 'd/2': '2' }))
    await rm(join(dir, 'd'), { recursive: true })
    expect(pathsOf(await diffOf(id))).toEqual(['deleted d/1', 'deleted d/2'])

    await writeFiles(dir, { 'd/2': '2', 'd/3': '3' })
    expect(pathsOf(await diffOf(id))).toEqual(['deleted d/1', 'added d/3'])
  })

  it('takes a repository the agent makes inside as plain files', async () => {
    const { id, dir } = await create(await makeProject())
    await writeFiles(dir, { 'clone/a.txt': 'a\n', 'clone/deep/b.txt': 'b\n' })
    await git(join(dir, 'clone'), 'init', '-q')
    await git(join(dir, 'clone'), 'add', '-A')
    await git(join(dir, 'clone'), 'commit', '-qm', 'x')
    await git(join(dir, 'clone/deep'), 'init', '-q')
    await unlink(join(dir, 'README.md'))
    await writeFiles(dir, { 'README.md/in.txt': '1\n' })
    await git(join(dir, 'README.md'), 'init', '-q')
    await git(join(dir, 'README.md'), 'add', '-A')
    await git(join(dir, 'README.md'), 'commit', '-qm', 'x')

    expect(pathsOf(await diffOf(id))).toEqual([
      'deleted README.md',
      'added README.md/in.txt',
      'added clone/a.txt',
      'added clone/deep/b.txt',
    ])
  })

  it('uses the ignore rules of the start, in every folder, whatever the agent writes to them', async () => {
    const root = await makeProject({
      '.gitignore': 'build/\n*.log\n!keep.log\n',
      'pkg/.gitignore': '/out\ncache\n',
      'pkg/kept.ts': '1',
      'node_modules/x.js': '1',
    })
    await writeFile(join(root, '.git/info/exclude'), 'secret\n')
    await writeFiles(root, { 'forced.log': 'tracked although ignored\n', 'build/o': '1', 'pkg/out/x': '1' })
    await git(root, 'add', '-f', 'forced.log')
    await git(root, 'commit', '-qm', 'forced')
    const { id, dir } = await create(root)
    await writeFile(join(dir, '.gitignore'), '*.ts\n')
    await writeFile(join(dir, 'pkg/.gitignore'), '')
    await writeFiles(dir, {
      'build/o': '2',
      'new.log': '1',
      'keep.log': '1',
      secret: '1',
      'pkg/out/x': '2',
      'pkg/a/cache': '1',
      'out/y': '1',
      'pkg/kept.ts': '2',
      'pkg/fresh.ts': '1',
      'forced.log': 'changed\n',
    })

    expect(pathsOf(await diffOf(id))).toEqual([
      'modified .gitignore',
      'modified forced.log',
      'added keep.log',
      'added out/y',
      'modified pkg/.gitignore',
      'added pkg/fresh.ts',
      'modified pkg/kept.ts',
    ])
  })

  it('names scope-relative files and project-relative patches, and lands in the right place', async () => {
    const root = await makeProject()
    const { id, dir } = await create(root, { scopePath: 'src' })
    await appendFile(join(dir, 'app.txt'), 'more\n')

    const diff = await diffOf(id)
    expect(pathsOf(diff)).toEqual(['modified app.txt'])
    expect(diff.unifiedDiff).toContain('diff --git a/src/app.txt b/src/app.txt\n--- a/src/app.txt\n')
    expect((await approve(id)).json).toMatchObject({ success: true, applied: 1 })
    expect(await readFile(join(root, 'src/app.txt'), 'utf8')).toBe(`${APP_TEXT}more\n`)
  })
})
