import { unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callsOf } from '../support/sandbox-calls.ts'
import { git, makeProject, writeFiles } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

let server: SandboxServer
beforeAll(async () => {
  server = await startSandboxServer()
}, 30_000)
afterAll(async () => {
  await server.stop()
})

const { create, diffOf, pathsOf } = callsOf(() => server)

describe('diff', () => {
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
})
