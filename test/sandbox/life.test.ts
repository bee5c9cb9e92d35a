import { spawn } from 'node:child_process'
import { readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { APP_TEXT, isGit, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import { ALL, checklist, idOf, pathsOf, ROUTE } from './checklist.ts'

checklist('life', (on) => {
  on.item('C', 43, 'rejects, also twice and without a body', async () => {
    const { id } = await on.create(await makeProject())
    expect((await on.act(id, 'reject', '{')).status).toBe(400)
    expect((await on.act(id, 'reject')).json.status).toBe('rejected')
    expect((await on.act(id, 'reject', { actor: 'me' })).status).toBe(200)
    expect((await on.approve(id)).status).toBe(409)
  })

  on.item('C', 43, 'deletes a rejected sandbox that asked for it', async () => {
    const behavior = { lifecycle: { deleteOn: ['rejected'] } }
    const { id, dir } = await on.create(await makeProject(), { behavior })
    expect((await on.act(id, 'reject')).status).toBe(200)
    await expect.poll(async () => (await on.get(id)).json.status, { timeout: 10_000 }).toBe('deleted')
    await expect(stat(dir)).rejects.toThrow()
  })

  on.item('C', 44, 'discards by path and by id', async () => {
    const { id, dir } = await on.create(await makeProject())
    await writeFiles(dir, { 'a.txt': '1', 'b/c.txt': '1', 'd.txt': '1' })
    expect((await on.act(id, 'discard', {})).status).toBe(400)
    expect((await on.act(id, 'discard', { fileIds: [], filePaths: [] })).status).toBe(400)
    const unknown = await on.act(id, 'discard', { filePaths: ['nothing', 'README.md'] })
    expect(unknown.json).toMatchObject({ success: true, discarded: 0, remaining: 3 })
    const fileIds = [idOf(await on.diff(id), 'b/c.txt')]

    const { json } = await on.act(id, 'discard', { filePaths: ['a.txt', 'nothing'], fileIds, actor: 'me' })

    expect(json).toMatchObject({ success: true, discarded: 2, remaining: 1 })
    expect(json.files.toSorted()).toEqual(['a.txt', 'b/c.txt'])
    expect(pathsOf(await on.diff(id))).toEqual(['added d.txt'])
    await expect(stat(join(dir, 'a.txt'))).rejects.toThrow()
  })

  on.item('I', 44, 'puts modified and deleted files back', async () => {
    const root = await makeProject({ 'd/1': '1\n', 'd/2': '2\n', 'tool.sh': 'x\n' })
    const { id, dir } = await on.create(root)
    await writeFiles(dir, { 'src/app.txt': 'agent\n', 'new/file.txt': '1\n', 'README.md': 'kept\n' })
    await unlink(join(dir, 'src/old.txt'))
    await rm(join(dir, 'd'), { recursive: true })
    await unlink(join(dir, 'docs/a.md'))
    await writeFiles(dir, { 'docs/a.md/in': '1\n' })
    const diff = await on.diff(id)
    const wanted = diff.files.filter((file: { filePath: string }) => file.filePath !== 'README.md')

    const fileIds = wanted.map((file: { id: string }) => file.id)
    const { json } = await on.act(id, 'discard', { fileIds })

    expect(json).toMatchObject({ success: true, discarded: wanted.length, remaining: 1 })
    expect(pathsOf(await on.diff(id))).toEqual(['modified README.md'])
    await writeFile(join(dir, 'README.md'), '# readme\n')
    expect(await readTree(dir, isGit)).toEqual(await readTree(root, isGit))
  })

  on.item('I', 44, 'puts back what was applied, not what was there at first', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root)
    await writeFiles(dir, { 'src/app.txt': 'one\n', 'other.txt': '1\n' })
    const fileIds = [idOf(await on.diff(id), 'src/app.txt')]
    await on.approve(id, { ...ALL, mode: 'files', fileIds })
    await writeFile(join(dir, 'src/app.txt'), 'two\n')
    await on.act(id, 'stop')
    expect((await on.act(id, 'discard', { filePaths: ['src/app.txt'] })).json).toMatchObject({ discarded: 1 })
    await on.act(id, 'start')
    expect(await readFile(join(dir, 'src/app.txt'), 'utf8')).toBe('one\n')
  })

  on.item('C', 45, 'stops and starts', async () => {
    const { id, dir } = await on.create(await makeProject())
    await writeFile(join(dir, 'new.txt'), '1')
    const stopped = await on.act(id, 'stop')
    expect(stopped.json).toMatchObject({ status: 'stopped', stoppedAt: expect.any(String) })
    expect((await on.act(id, 'stop')).status).toBe(200)
    expect(pathsOf(await on.diff(id))).toEqual(['added new.txt'])
    expect((await on.call('GET', `${ROUTE}/${id}/files`)).status).toBe(409)
    expect((await on.file('PUT', id, 'x', { content: '1' })).status).toBe(409)
    // 501: a service that has no exec at all.
    expect([409, 501]).toContain((await on.act(id, 'exec', { command: 'true' })).status)
    const started = await on.act(id, 'start')
    expect(started.json.status).toBe('active')
    expect(started.json).not.toHaveProperty('stoppedAt')
    expect((await on.act(id, 'start')).status).toBe(200)
  })

  on.item('I', 45, 'keeps every change over a stop', async () => {
    const { id, dir } = await on.create(await makeProject({ 'd/1': '1' }))
    await writeFiles(dir, { 'src/app.txt': `${APP_TEXT}more\n`, 'new.txt': '1' })
    await unlink(join(dir, 'src/old.txt'))
    await rm(join(dir, 'd'), { recursive: true })
    const [before, diff] = [await readTree(dir, isGit), await on.diff(id)]
    await on.act(id, 'stop')
    expect((await on.diff(id)).unifiedDiff).toBe(diff.unifiedDiff)
    await on.act(id, 'start')
    expect(await readTree(dir, isGit)).toEqual(before)
    expect((await on.diff(id)).unifiedDiff).toBe(diff.unifiedDiff)
    await on.act(id, 'stop')
    expect((await on.approve(id)).json).toMatchObject({ success: true, applied: 4 })
  })

  on.item('C', 46, 'deletes for good, any number of times', async () => {
    const { id, dir } = await on.create(await makeProject())
    for (const each of [id, id, '0c7d8f1e-0000-4000-8000-000000000001']) {
      const answer = await on.remove(each)
      expect([answer.status, answer.text]).toEqual([204, ''])
    }
    expect((await on.get(id)).json).toMatchObject({ status: 'deleted', deletedAt: expect.any(String) })
    expect((await on.call('GET', `${ROUTE}/${id}/diff`)).status).toBe(409)
    await expect(stat(dir)).rejects.toThrow()
    expect((await on.remove('nonsense')).status).toBe(400)
  })

  on.item('I', 46, 'ends the processes that work in a deleted sandbox', async () => {
    const { id, dir } = await on.create(await makeProject())
    const inside = spawn('sleep', ['60'], { cwd: join(dir, 'src'), stdio: 'ignore' })
    const ended = new Promise<string | null>((resolve) => {
      inside.on('exit', (_code, signal) => resolve(signal))
    })
    try {
      expect((await on.remove(id)).status).toBe(204)
      expect(await Promise.race([ended, deadline(5_000)])).toBe('SIGKILL')
    } finally {
      inside.kill('SIGKILL')
    }
  })

  on.item('C', 50, 'collects what a policy names and never an active sandbox', async () => {
    const root = await makeProject()
    const [active, rejected] = [await on.create(root), await on.create(root)]
    await on.act(rejected.id, 'reject')
    const body = { policy: { maxAge: 1, statuses: ['rejected', 'active'] } }
    const idsOf = (json: { collected: { id: string }[] }) => json.collected.map((each) => each.id)

    const preview = await on.call('POST', '/api/v1/gc/preview', body)
    expect(preview.json).toMatchObject({ dryRun: true })
    expect(idsOf(preview.json)).toContain(rejected.id)
    expect((await on.get(rejected.id)).json.status).toBe('rejected')
    expect((await on.call('POST', '/api/v1/gc', { ...body, dryRun: true })).json.dryRun).toBe(true)
    expect((await on.get(rejected.id)).json.status).toBe('rejected')

    const { status, json } = await on.call('POST', '/api/v1/gc', body)
    expect(status).toBe(200)
    expect(json).toMatchObject({ dryRun: false, totalCollected: json.collected.length })
    expect(idsOf(json)).toContain(rejected.id)
    expect(idsOf(json)).not.toContain(active.id)
    expect((await on.get(rejected.id)).json.status).toBe('deleted')
    expect((await on.get(active.id)).json.status).toBe('active')
    await expect(stat(rejected.dir)).rejects.toThrow()
  })

  on.item('I', 50, 'collects nothing for a body it cannot read', async () => {
    for (const body of ['{', { policy: { maxAge: '1h' } }]) {
      expect((await on.call('POST', '/api/v1/gc', body)).status).toBe(400)
    }
  })
})

const deadline = (ms: number): Promise<string> =>
  new Promise((resolve) => {
    setTimeout(() => resolve('still running'), ms).unref()
  })
