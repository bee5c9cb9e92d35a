/** The files of a turn, read and laid again, on real folders. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { ChangeType, SandboxFile } from '../../internal/sandbox/port.ts'
import { readSnapshot, type SnapshotFile, writeSnapshot } from '../../internal/snapshot/snapshot.ts'

const base = mkdtempSync(join(tmpdir(), 'snapshot-'))
afterAll(() => rmSync(base, { recursive: true }))
let made = 0
const folder = (files: Record<string, string | Buffer> = {}): string => {
  made += 1
  const root = join(base, `f${made}`)
  mkdirSync(root)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  return root
}
const changed = (path: string, changeType: ChangeType = 'modified'): SandboxFile => ({
  id: path,
  path,
  changeType,
})
const text = (path: string, content: string, mode: SnapshotFile['mode'] = '100644'): SnapshotFile => ({
  path,
  mode,
  content: Buffer.from(content),
})
const gone = (path: string): SnapshotFile => text(path, '', null)
const tree = (root: string, at = ''): string[] =>
  readdirSync(join(root, at), { withFileTypes: true })
    .flatMap((entry) => {
      const path = at === '' ? entry.name : `${at}/${entry.name}`
      if (entry.isDirectory()) return tree(root, path)
      if (entry.isSymbolicLink()) return [`${path} -> ${readlinkSync(join(root, path))}`]
      const mode = (lstatSync(join(root, path)).mode & 0o100) === 0 ? '' : ' (runs)'
      return [`${path}${mode}: ${readFileSync(join(root, path)).toString('latin1')}`]
    })
    .toSorted()

describe('a snapshot', () => {
  test('makes another copy of the project the same: bytes, modes, links, deletions, renames', async () => {
    const project = { 'a.txt': 'a', 'dir/b.txt': 'b', 'old/deep/c.txt': 'c', 'run.sh': '#!', 'd.bin': 'old' }
    const [worked, fresh] = [folder(project), folder(project)]
    writeFileSync(join(worked, 'a.txt'), 'changed\r\n')
    writeFileSync(join(worked, 'd.bin'), Buffer.from([0, 255, 254, 10, 0]))
    chmodSync(join(worked, 'run.sh'), 0o755)
    mkdirSync(join(worked, 'new/deep'), { recursive: true })
    renameSync(join(worked, 'old/deep/c.txt'), join(worked, 'new/deep/c ä.txt'))
    symlinkSync('../nowhere', join(worked, 'new/link'))
    const files = await readSnapshot(worked, [
      changed('a.txt'),
      changed('d.bin'),
      changed('new/deep/c ä.txt', 'added'),
      changed('new/link', 'added'),
      changed('old/deep/c.txt', 'deleted'),
      changed('run.sh'),
    ])
    for (let time = 0; time < 2; time += 1) {
      await writeSnapshot(fresh, files)
      expect(tree(fresh)).toEqual(tree(worked))
    }
    expect(readdirSync(fresh)).not.toContain('old')
  })

  test('that was laid in part is laid whole by doing it again', async () => {
    const files = [gone('x'), text('a', '1'), text('sub/b', '2', '100755'), text('c', 'a', '120000')]
    for (let cut = 0; cut <= files.length; cut += 1) {
      const root = folder({ x: 'x', a: 'old', 'sub/b': 'old' })
      await writeSnapshot(root, files.slice(0, cut))
      await writeSnapshot(root, files)
      expect(tree(root)).toEqual(['a: 1', 'c -> a', 'sub/b (runs): 2'])
    }
  })

  test('changes what kind of thing stands at a place', async () => {
    const root = folder({ 'was-file': 'x', 'was-dir/inner': 'x' })
    symlinkSync('was-file', join(root, 'was-link'))
    await writeSnapshot(root, [
      gone('was-dir/inner'),
      gone('was-file'),
      text('was-dir', 'now a file'),
      text('was-file/inner', 'now a folder'),
      text('was-link', 'now a file'),
    ])
    expect(tree(root)).toEqual([
      'was-dir: now a file',
      'was-file/inner: now a folder',
      'was-link: now a file',
    ])
  })

  test('never reaches out of its folder', async () => {
    const outside = folder({ secret: 'secret' })
    const root = folder()
    symlinkSync(outside, join(root, 'way'))
    for (const path of [
      'way/secret',
      '../x',
      '/etc/passwd',
      'a/../../x',
      'a//b',
      '.',
      '.git/config',
      'sub/.GIT/x',
    ]) {
      await expect(readSnapshot(root, [changed(path)]), path).rejects.toThrow()
      await expect(writeSnapshot(root, [text(path, 'x')]), path).rejects.toThrow()
    }
    await expect(writeSnapshot(root, [gone('way/secret')])).rejects.toThrow(/behind a link/)
    await writeSnapshot(root, [text('way2', outside, '120000')])
    await expect(writeSnapshot(root, [text('way2/secret', 'x')])).rejects.toThrow(/behind a link/)
    expect(tree(outside)).toEqual(['secret: secret'])
    // What a link names is kept as its name.
    expect(await readSnapshot(root, [changed('way')])).toMatchObject([{ mode: '120000' }])
  })

  test('is refused where something else is in the way', async () => {
    const root = folder({ 'dir/kept': 'x' })
    await expect(writeSnapshot(root, [text('dir', 'x')])).rejects.toThrow(/folder in the project/)
    await expect(writeSnapshot(root, [text('dir/kept/x', 'x')])).rejects.toThrow(/behind a link or a file/)
    await writeSnapshot(root, [gone('not/there')])
    expect(tree(root)).toEqual(['dir/kept: x'])
  })

  test('has limits, and keeps only what can be laid again', async () => {
    const root = folder({ a: 'aaaa', b: 'bbbb' })
    await expect(readSnapshot(root, [changed('a'), changed('b')], 7)).rejects.toThrow(/too large/)
    expect(await readSnapshot(root, [changed('a'), changed('b')], 8)).toHaveLength(2)
    const many = Array.from({ length: 10_001 }, (_, n) => changed(`f${n}`, 'deleted'))
    await expect(readSnapshot(root, many)).rejects.toThrow(/10001 files/)
    mkdirSync(join(root, 'folder'))
    await expect(readSnapshot(root, [changed('folder')])).rejects.toThrow(/neither a file nor a link/)
    await expect(readSnapshot(root, [changed('absent')])).rejects.toThrow(/ENOENT/)
  })
})
