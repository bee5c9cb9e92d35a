/** The copy of a project: what it keeps of the files, and that the service goes on answering meanwhile. */
import { execFile } from 'node:child_process'
import { chmod, lstat, lutimes, mkdir, readdir, readlink, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder, writeFiles } from '../support/sandbox-project.ts'
import { type SandboxServer, startSandboxServer } from '../support/sandbox-server.ts'

const ROUTE = '/api/v1/sandboxes'
const LONG_AGO = 1_000_000_000.123
/** More than one thread takes at once. */
const FOLDERS = 60
const FILES_PER_FOLDER = 50

let server: SandboxServer
beforeAll(async () => {
  server = await startSandboxServer({ SANDBOX_DRIVER: 'copy' })
})
afterAll(() => server.stop())

/** Bytes of a path (latin1) -> kind, permissions, time, size or target. */
async function describeTree(root: string, path = ''): Promise<Map<string, string>> {
  const seen = new Map<string, string>()
  const place = Buffer.from(`${Buffer.from(root).toString('latin1')}/${path}`, 'latin1')
  for (const entry of await readdir(place, { withFileTypes: true, encoding: 'buffer' })) {
    const name = `${path}${entry.name.toString('latin1')}`
    const file = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')])
    const info = await lstat(file)
    const facts = [info.mode.toString(8), Math.round(info.mtimeMs), entry.isFile() ? info.size : '']
    seen.set(name, `${facts.join(' ')} ${entry.isSymbolicLink() ? await readlink(file) : ''}`)
    if (!entry.isDirectory()) continue
    for (const [below, what] of await describeTree(root, `${name}/`)) seen.set(below, what)
  }
  return seen
}

async function largeProject(): Promise<string> {
  const root = await makeFolder()
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    await mkdir(join(root, `many/${folder}`), { recursive: true })
    for (let file = 0; file < FILES_PER_FOLDER; file += 1) {
      await writeFile(join(root, `many/${folder}/${file}.txt`), `${folder} ${file}\n`)
    }
    await utimes(join(root, `many/${folder}`), LONG_AGO, LONG_AGO + folder)
  }
  return root
}

describe('a copy', () => {
  it('keeps names, modes, times and links of everything that is a file, a link or a folder', async () => {
    const root = await largeProject()
    await writeFiles(root, {
      'run.sh': '#!/bin/sh\n',
      'closed/in/a.txt': 'a\n',
      'empty.txt': '',
      'nested/.git/config': 'left out\n',
      'nested/kept.txt': 'k\n',
      'ü/ñ.txt': 'n\n',
    })
    await writeFile(Buffer.concat([Buffer.from(`${root}/not-utf8-`), Buffer.from([0xff, 0xfe])]), 'bytes\n')
    await mkdir(join(root, 'no-files'))
    await symlink('nowhere', join(root, 'dangling'))
    await symlink('many/1', join(root, 'to-folder'))
    await lutimes(join(root, 'dangling'), LONG_AGO, LONG_AGO)
    await utimes(join(root, 'run.sh'), LONG_AGO, LONG_AGO)
    await chmod(join(root, 'run.sh'), 0o4751)
    await chmod(join(root, 'closed/in'), 0o555)
    await chmod(join(root, 'closed'), 0o500)
    const expected = await describeTree(root)
    for (const left of ['nested/.git', 'nested/.git/config']) expected.delete(left)
    await promisify(execFile)('mkfifo', [join(root, 'many/pipe')])
    await utimes(join(root, 'many'), LONG_AGO, LONG_AGO)
    expected.set('many', (await describeTree(root)).get('many') ?? '')

    const { status, text, json } = await server.call('POST', ROUTE, { projectRoot: root })

    expect(status, text).toBe(201)
    expect(await describeTree(json.mergedDir)).toEqual(expected)
    expect(expected.size).toBeGreaterThan(FOLDERS * FILES_PER_FOLDER)
    const diff = await server.call('GET', `${ROUTE}/${json.id}/diff`)
    expect(diff.json, diff.text).toMatchObject({ files: [], unifiedDiff: '' })
  })

  it('is made while the service goes on answering', async () => {
    const root = await largeProject()
    let isMade = false
    const made = server.call('POST', ROUTE, { projectRoot: root }).finally(() => {
      isMade = true
    })
    let answers = 0
    while (!isMade) {
      expect((await server.call('GET', '/health')).status).toBe(200)
      if (!isMade) answers += 1
    }
    expect((await made).status).toBe(201)
    expect(answers).toBeGreaterThan(5)
  })

  it('that cannot be made tells why and leaves nothing behind', async () => {
    const root = await makeFolder()
    // As long as a path may be; the folder of the sandboxes has a longer name.
    let folder = root
    while (folder.length < 3_800) folder = join(folder, 'long-'.repeat(40))
    folder = join(folder, 'x'.repeat(4_080 - folder.length))
    await mkdir(folder, { recursive: true })
    const before = await readdir(server.baseDir)

    const { status, json } = await server.call('POST', ROUTE, { projectRoot: root })

    expect(status).toBe(500)
    expect(json).toMatchObject({ success: false, error: expect.stringContaining('ENAMETOOLONG') })
    expect(await readdir(server.baseDir)).toEqual(before)
    expect((await server.call('GET', '/health')).status).toBe(200)
  })
})
