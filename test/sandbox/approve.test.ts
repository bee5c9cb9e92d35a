import { readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { git, isGit, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'
import { ALL, checklist, idOf, pathsOf } from './checklist.ts'

/** Cannot match: the original takes an empty deny rule for one that matches everything. */
const NEVER = { pathGlobs: ['**/.never'] }

checklist('approve', (on) => {
  /** A project and a sandbox of it with an edited, a deleted and an added file. */
  const changed = async (more: object = {}) => {
    const root = await makeProject()
    const sandbox = await on.create(root, more)
    await writeFiles(sandbox.dir, { 'src/app.txt': 'changed\n', 'new.txt': 'n\n' })
    await unlink(join(sandbox.dir, 'src/old.txt'))
    return { root, ...sandbox }
  }

  on.item('C', 31, 'applies everything and commits nothing', async () => {
    const { root, id, dir } = await changed()
    const head = await git(root, 'rev-parse', 'HEAD')
    const { status, json } = await on.approve(id, ALL)
    expect(status).toBe(200)
    expect(json).toMatchObject({ success: true, applied: 3, remaining: 0, isPartial: false, failed: 0 })
    expect(json).not.toHaveProperty('commitHash')
    expect((await on.get(id)).json).toMatchObject({ status: 'approved', approvedAt: expect.any(String) })
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
    expect(await git(root, 'rev-parse', 'HEAD')).toBe(head)
  })

  on.item('I', 32, 'applies everything with an empty body and no rules', async () => {
    const { root, id } = await changed()
    expect((await on.act(id, 'approve')).json).toMatchObject({ success: true, applied: 3 })
    expect(await readFile(join(root, 'new.txt'), 'utf8')).toBe('n\n')
  })

  on.item('C', 32, 'applies with mode all what the rules accept, and keeps the rest', async () => {
    const { root, id } = await changed({
      behavior: { acceptance: { allow: { pathGlobs: ['src/**'] }, deny: NEVER } },
    })
    const { json } = await on.approve(id, { mode: 'all' })
    expect(json).toMatchObject({ success: true, applied: 2, remaining: 1, isPartial: true })
    expect(await git(root, 'status', '--porcelain')).toBe(' M src/app.txt\n D src/old.txt')
    expect(pathsOf(await on.diff(id))).toEqual(['added new.txt'])
    expect((await on.get(id)).json.status).toBe('active')
  })

  on.item('C', 33, 'refuses a chosen file that the rules do not accept', async () => {
    const { root, id } = await changed({
      behavior: { acceptance: { allow: { pathGlobs: ['src/**'] }, deny: NEVER } },
    })
    const fileIds = [idOf(await on.diff(id), 'new.txt')]
    expect((await on.approve(id, { mode: 'files', fileIds })).status).toBe(400)
    expect(await git(root, 'status', '--porcelain')).toBe('')
  })

  on.item('C', 34, 'applies one file and shows the rest next', async () => {
    const { root, id, dir } = await changed()
    const fileIds = [idOf(await on.diff(id), 'new.txt')]
    const { json } = await on.approve(id, { mode: 'files', fileIds, overrideAcceptance: true })
    expect(json).toMatchObject({ success: true, applied: 1, remaining: 2, isPartial: true })
    expect((await on.get(id)).json.status).toBe('active')
    expect(pathsOf(await on.diff(id))).toEqual(['modified src/app.txt', 'deleted src/old.txt'])
    expect(await readFile(join(dir, 'new.txt'), 'utf8')).toBe('n\n')
    expect(await readFile(join(root, 'new.txt'), 'utf8')).toBe('n\n')
  })

  on.item('I', 34, 'does not take an applied edit for a deletion', async () => {
    const { root, id, dir } = await changed()
    const fileIds = [idOf(await on.diff(id), 'src/app.txt')]
    await on.approve(id, { mode: 'files', fileIds, overrideAcceptance: true })
    const rest = await on.diff(id)
    expect(pathsOf(rest)).toEqual(['added new.txt', 'deleted src/old.txt'])
    expect(await readFile(join(dir, 'src/app.txt'), 'utf8')).toBe('changed\n')
    const ids = rest.files.map((file: { id: string }) => file.id)
    const last = await on.approve(id, { mode: 'files', fileIds: ids, overrideAcceptance: true })
    expect(last.json).toMatchObject({ success: true, applied: 2, remaining: 0, isPartial: false })
    expect((await on.get(id)).json.status).toBe('approved')
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
  })

  on.item('C', 35, 'applies nothing for an unknown id', async () => {
    const { root, id } = await changed()
    const { status, json } = await on.approve(id, { mode: 'files', fileIds: [id], overrideAcceptance: true })
    expect(status).toBe(200)
    expect(json).toMatchObject({ success: true, applied: 0 })
    expect((await on.get(id)).json.status).toBe('active')
    expect(await git(root, 'status', '--porcelain')).toBe('')
  })

  on.item('I', 35, 'applies nothing for a body it cannot read or that names nothing', async () => {
    const { root, id } = await changed()
    const bad = [
      '{"mode":',
      { ...ALL, mode: 'files', fileIds: ['zzz'] },
      { ...ALL, mode: 'files', fileIds: [] },
      { ...ALL, mode: 'files' },
      { ...ALL, mode: 'hunks', hunkRanges: [] },
      { ...ALL, mode: 'hunks', hunkRanges: [{ fileId: 'zzz', startLine: 1, endLine: 2 }] },
      { ...ALL, mode: 'some' },
    ]
    for (const body of bad) expect((await on.approve(id, body)).status, JSON.stringify(body)).toBe(400)
    expect(await git(root, 'status', '--porcelain')).toBe('')
    expect((await on.get(id)).json.status).toBe('active')
  })

  on.item('C', 41, 'approves once', async () => {
    const { id } = await changed()
    await on.approve(id)
    const { approvedAt } = (await on.get(id)).json
    const again = await on.approve(id)
    expect([again.status, again.json.success, again.json.applied]).toEqual([200, true, 0])
    expect(Date.parse(again.json.appliedAt)).toBe(Date.parse(approvedAt))
    for (const [what, body] of [
      ['reject'],
      ['start'],
      ['stop'],
      ['discard', { filePaths: ['new.txt'] }],
      ['rebase', {}],
    ] as const) {
      const refused = await on.act(id, what, body)
      expect(refused.status, what).toBe(409)
      expect(refused.json.hint, what).toEqual(expect.any(String))
    }
  })

  on.item('I', 42, 'lets one of two approvals at once apply', async () => {
    const { root, id, dir } = await changed()
    const both = await Promise.all([on.approve(id), on.approve(id)])
    const applied = both.map((answer) => (answer.status === 409 ? 0 : answer.json.applied))
    expect(new Set(applied)).toEqual(new Set([0, 3]))
    expect(await readTree(root, isGit)).toEqual(await readTree(dir, isGit))
  })

  on.item('I', 42, 'lets two sandboxes of one project not both change the same file', async () => {
    const root = await makeProject()
    const [one, two] = [await on.create(root), await on.create(root)]
    await writeFile(join(one.dir, 'src/app.txt'), 'one\n')
    await writeFile(join(two.dir, 'src/app.txt'), 'two\n')
    const both = await Promise.all([on.approve(one.id), on.approve(two.id)])
    const won = both.map((answer) => answer.status === 200 && answer.json.success)
    expect(new Set(won)).toEqual(new Set([false, true]))
    expect(await readFile(join(root, 'src/app.txt'), 'utf8')).toBe(won[0] ? 'one\n' : 'two\n')
  })
})
