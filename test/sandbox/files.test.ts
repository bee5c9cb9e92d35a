import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { makeFolder, makeProject, readTree } from '../support/sandbox-project.ts'
import { checklist, ROUTE } from './checklist.ts'

checklist('files', (on) => {
  on.item(
    'C',
    20,
    'shows nothing for an untouched sandbox, also of a project with uncommitted work',
    async () => {
      const root = await makeProject()
      await writeFile(join(root, 'dirty.txt'), 'x')
      const { id } = await on.create(root)
      expect(await on.diff(id)).toMatchObject({
        files: [],
        unifiedDiff: '',
        totalAdded: 0,
        totalDeleted: 0,
        totalModified: 0,
      })
    },
  )

  on.item('C', 21, 'writes, reads and deletes text', async () => {
    const { id, dir } = await on.create(await makeProject())
    const first = await on.file('PUT', id, 'new/deep/a.txt', { content: 'grüße\n' })
    expect(first.status, first.text).toBe(201)
    expect(first.json).toMatchObject({ created: true, size: Buffer.byteLength('grüße\n') })
    const second = await on.file('PUT', id, '/new/deep/a.txt', { content: 'two\n', encoding: 'utf8' })
    expect([second.status, second.json.created]).toEqual([200, false])
    expect((await on.file('GET', id, 'new/deep/a.txt')).json).toMatchObject({
      content: 'two\n',
      encoding: 'utf8',
      size: 4,
      isBinary: false,
    })
    expect(await readFile(join(dir, 'new/deep/a.txt'), 'utf8')).toBe('two\n')
    expect((await on.file('DELETE', id, 'new/deep/a.txt')).json).toMatchObject({ deleted: true })
    const absent = await on.file('DELETE', id, 'new/deep/a.txt')
    expect([absent.status, absent.json.deleted]).toEqual([200, false])
  })

  on.item('C', 21, 'carries binary content as base64', async () => {
    const { id, dir } = await on.create(await makeProject())
    const bytes = Buffer.from([0, 1, 2, 253, 254, 255, 10])
    const body = { content: bytes.toString('base64'), encoding: 'base64' }
    expect((await on.file('PUT', id, 'x.bin', body)).status).toBe(201)
    expect(await readFile(join(dir, 'x.bin'))).toEqual(bytes)
    expect((await on.file('GET', id, 'x.bin')).json).toMatchObject({ ...body, isBinary: true, size: 7 })
    const stream = await on.call('GET', `${ROUTE}/${id}/files/download?path=README.md`)
    expect([stream.status, stream.text]).toEqual([200, '# readme\n'])
  })

  on.item('C', 21, 'takes the mode of a new file and keeps that of an old one', async () => {
    const { id, dir } = await on.create(await makeProject())
    await on.file('PUT', id, 'tool', { content: '#!/bin/sh\n', mode: 0o755 })
    await chmod(join(dir, 'README.md'), 0o600)
    await on.file('PUT', id, 'README.md', { content: 'x', mode: 0o755 })
    expect((await stat(join(dir, 'tool'))).mode & 0o777).toBe(0o755)
    expect((await stat(join(dir, 'README.md'))).mode & 0o777).toBe(0o600)
  })

  on.item('C', 21, 'lists folders and makes them', async () => {
    const { id } = await on.create(await makeProject())
    const made = await on.call('POST', `${ROUTE}/${id}/files/mkdir`, { path: 'x/y' })
    expect([made.status, made.json.created]).toEqual([201, true])
    const top = (await on.call('GET', `${ROUTE}/${id}/files`)).json
    const names = top.entries.map((entry: { name: string }) => entry.name)
    expect(names).toEqual(expect.arrayContaining(['README.md', 'docs', 'src', 'x']))
    expect(top.total).toBe(top.entries.length)
    const src = (await on.call('GET', `${ROUTE}/${id}/files?path=src`)).json
    expect(src.entries.find((entry: { name: string }) => entry.name === 'old.txt')).toMatchObject({
      isDir: false,
      size: 21,
      mode: '-rw-r--r--',
    })
  })

  on.item('C', 21, 'refuses odd paths', async () => {
    const { id } = await on.create(await makeProject())
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await on.file(method, id, '../../x', method === 'PUT' ? { content: '1' } : undefined)
      expect(answer.status, method).toBe(400)
    }
    expect((await on.call('GET', `${ROUTE}/${id}/files?path=../..`)).status).toBe(400)
    expect((await on.call('POST', `${ROUTE}/${id}/files/mkdir`, { path: '../x' })).status).toBe(400)
    expect((await on.file('GET', id, 'missing')).status).toBe(404)
    expect((await on.file('GET', id, 'missing/too')).status).toBe(404)
    expect((await on.file('GET', id, 'src')).status).toBe(400)
    expect((await on.call('GET', `${ROUTE}/${id}/files?path=missing`)).status).toBe(404)
    expect((await on.file('DELETE', id, 'src')).status).toBe(400)
    const recursive = await on.file('DELETE', id, 'src', undefined, '&recursive=true')
    expect([recursive.status, recursive.json.deleted]).toEqual([200, true])
    expect((await on.file('GET', id, 'src/app.txt')).status).toBe(404)
  })

  on.item('I', 21, 'never follows a symlink that leads out', async () => {
    const outside = await makeFolder()
    await mkdir(join(outside, 'in'))
    await writeFile(join(outside, 'secret'), 's')
    const { id, dir } = await on.create(await makeProject())
    await symlink(outside, join(dir, 'out'))
    await symlink(join(outside, 'secret'), join(dir, 'direct'))
    await symlink('../../../../../../../..', join(dir, 'src/up'))
    await symlink('round', join(dir, 'round'))
    await symlink('../docs', join(dir, 'src/inner'))
    const before = await readTree(outside)

    for (const path of ['out/secret', 'direct', 'src/up/etc/hostname', 'out/in/../secret2', 'round']) {
      for (const [method, body] of [['GET'], ['PUT', { content: '1' }]] as const) {
        expect((await on.file(method, id, path, body)).status, `${method} ${path}`).toBe(400)
      }
      expect((await on.call('GET', `${ROUTE}/${id}/files/download?path=${path}`)).status, path).toBe(400)
    }
    expect((await on.call('GET', `${ROUTE}/${id}/files?path=out`)).status).toBe(400)
    expect((await on.call('POST', `${ROUTE}/${id}/files/mkdir`, { path: 'out/new' })).status).toBe(400)
    expect((await on.file('DELETE', id, 'out/secret')).status).toBe(400)
    expect((await on.file('GET', id, 'src/inner/a.md')).json.content).toBe('a\n')
    expect((await on.file('DELETE', id, 'out', undefined, '&recursive=true')).json.deleted).toBe(true)
    expect(await readTree(outside)).toEqual(before)
  })

  on.item('I', 21, 'refuses what is no file, without waiting', async () => {
    const { id, dir } = await on.create(await makeProject())
    await promisify(execFile)('mkfifo', [join(dir, 'pipe')])
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(dir, 'socket'), resolve))
    for (const path of ['pipe', 'socket']) {
      expect((await on.file('GET', id, path)).status, path).toBe(400)
      expect((await on.file('PUT', id, path, { content: '1' })).status, path).toBe(400)
    }
    await new Promise((resolve) => server.close(resolve))
    expect((await on.file('GET', id, 'README.md/x')).status).toBeGreaterThanOrEqual(400)
    expect((await on.file('PUT', id, 'README.md/x', { content: '1' })).status).toBe(400)
    expect((await on.file('PUT', id, 'b64', { content: 'no base64!', encoding: 'base64' })).status).toBe(400)
    expect((await on.file('DELETE', id, '/', undefined, '&recursive=true')).status).toBe(400)
  })

  on.item('C', 22, 'leaves the project as it was', async () => {
    const root = await makeProject()
    const before = await readTree(root)
    const { id } = await on.create(root)
    await on.file('PUT', id, 'src/app.txt', { content: 'changed' })
    await on.file('PUT', id, 'new.txt', { content: 'new' })
    await on.file('DELETE', id, 'src/old.txt')
    await on.file('DELETE', id, 'docs', undefined, '&recursive=true')
    expect(await readTree(root)).toEqual(before)
  })
})
