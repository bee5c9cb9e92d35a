import { chmod, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callsOf } from '../support/sandbox-calls.ts'
import {
  closeFolder,
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

const { create, diffOf, approve } = callsOf(() => server)

describe('landing', () => {
  it('makes the project byte-identical to the sandbox for every kind of change', async () => {
    const bytes = Buffer.from([0, 1, 2, 255, 254, 10, 13, 0])
    const root = await makeProject({
      '.gitattributes':
        '*.txt text eol=crlf\n*.bin -diff filter=missing\n*.u16 working-tree-encoding=UTF-16\n',
      'crlf.md': 'a\r\nb\r\n',
      'mixed.md': 'a\r\nb\n',
      'blob.bin': bytes,
      'gone.bin': bytes,
      'run.sh': '#!/bin/sh\n',
      'spaces in name/ü ñ.md': 'x\n',
      'quote".md': 'q\n',
      'was-dir/1': '1',
      'was-file': 'f',
      'moved.md': 'm\n'.repeat(50),
      'wide.u16': Buffer.from('\u{feff}hi', 'utf16le'),
    })
    await symlink('README.md', join(root, 'link'))
    await symlink('src', join(root, 'dirlink'))
    const { id, dir } = await create(root)
    await writeFiles(dir, {
      'crlf.md': 'a\r\nB\r\n',
      'mixed.md': 'A\nb\r\n',
      'blob.bin': Buffer.concat([bytes, bytes]),
      'new.bin': bytes,
      'spaces in name/ü ñ.md': 'y\n',
      'quote".md': 'Q\n',
      'tab\there.md': 't\n',
      '日本/語.md': 'z',
      'none.txt': 'no newline',
      'latin1.md': Buffer.from([0x63, 0x61, 0x66, 0xe9, 10]),
      '-dash': '1\n',
      'wide.u16': Buffer.from('\u{feff}ho', 'utf16le'),
    })
    await chmod(join(dir, 'run.sh'), 0o755)
    await writeFile(join(dir, 'tool'), '#!/bin/sh\n', { mode: 0o755 })
    for (const path of ['gone.bin', 'link', 'was-file', 'dirlink']) await unlink(join(dir, path))
    await symlink('../outside/nowhere', join(dir, 'link'))
    await symlink('dangling', join(dir, 'fresh-link'))
    await rm(join(dir, 'was-dir'), { recursive: true })
    await writeFiles(dir, { 'was-dir': 'now a file', 'was-file/inner': 'now a folder', 'dirlink/own': '1' })
    await rename(join(dir, 'moved.md'), join(dir, 'docs/moved.md'))
    const head = await git(root, 'rev-parse', 'HEAD')

    const diff = await diffOf(id)
    const answer = await approve(id)

    expect(answer.json, answer.text).toMatchObject({
      success: true,
      failed: 0,
      remaining: 0,
      isPartial: false,
    })
    expect(answer.json.applied).toBe(diff.files.length)
    expect(answer.json).not.toHaveProperty('commitHash')
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
    expect(await git(root, 'rev-parse', 'HEAD')).toBe(head)
    expect(diff.unifiedDiff).toContain('old mode 100644\nnew mode 100755\n')
    expect(diff.unifiedDiff).toContain('diff --git a/tool b/tool\nnew file mode 100755\n')
    expect(diff.unifiedDiff).toContain(
      'diff --git a/new.bin b/new.bin\nnew file mode 100644\nBinary file new.bin\n',
    )
    expect(diff.unifiedDiff).toContain('Binary files a/blob.bin and b/blob.bin differ\n')
    expect(diff.unifiedDiff).toContain('--- a/spaces in name/ü ñ.md\n')
    expect(diff.unifiedDiff).toContain('-b\r\n+B\r\n')
    const after = await server.call('GET', `/api/v1/sandboxes/${id}`)
    expect(after.json).toMatchObject({ status: 'approved', approvedAt: expect.any(String) })
    expect((await diffOf(id)).files).toEqual([])
  })

  it('keeps the permission bits and the owner of a file it replaces', async () => {
    const root = await makeProject({ 'secret.txt': '1\n' })
    await chmod(join(root, 'secret.txt'), 0o600)
    const { id, dir } = await create(root)
    await writeFile(join(dir, 'secret.txt'), '2\n')

    await approve(id)

    expect((await readTree(root))['secret.txt']).toMatch(/^600 /)
  })

  it('takes everything back when one file cannot be written', async (context) => {
    const root = await makeProject({ 'a/1': '1\n', 'gone/1': '1\n', 'z/1': '1\n' })
    const { id, dir } = await create(root)
    await writeFiles(dir, { 'a/1': '2\n', 'b/new': '2\n', 'z/1': '2\n', [`${'語'.repeat(80)}.md`]: '1' })
    await rm(join(dir, 'gone'), { recursive: true })
    const before = await readTree(root)
    const open = await closeFolder(join(root, 'z'))
    if (open === null) return context.skip('this file system cannot close a folder to root (chattr +i)')
    try {
      const answer = await approve(id)

      expect(answer.json, answer.text).toMatchObject({ success: false, applied: 0, failed: 5 })
      expect(await readTree(root)).toEqual(before)
      expect((await server.call('GET', `/api/v1/sandboxes/${id}`)).json.status).toBe('active')
    } finally {
      await open()
    }
    expect((await approve(id)).json).toMatchObject({ success: true, applied: 5 })
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
  })

  it('never writes through a symlink of the project', async () => {
    const root = await makeProject({ 'd/f': '1\n' })
    const outside = await makeFolder()
    const { id, dir } = await create(root)
    await writeFiles(dir, { 'd/new': '1\n', 'e/new': '1\n' })
    await symlink(outside, join(root, 'e'))

    const answer = await approve(id)

    expect(answer.json).toMatchObject({ success: false })
    expect(answer.json.error).toContain('e/new')
    expect(await readTree(outside)).toEqual({})
    expect(await readTree(root)).not.toHaveProperty('d/new')
  })
})
