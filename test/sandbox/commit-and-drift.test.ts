import { appendFile, mkdir, readFile, rename, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import {
  APP_TEXT,
  commitAll,
  git,
  makeFolder,
  makeProject,
  readTree,
  writeFiles,
} from '../support/sandbox-project.ts'
import { ALL, checklist, idOf, pathsOf } from './checklist.ts'

checklist('commit and drift', (on) => {
  on.item('C', 37, 'commits what it applied under the name of the owner', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root, { owner: 'agent-7' })
    await writeFiles(dir, { 'src/app.txt': 'changed\n', 'new.txt': 'n\n' })
    await unlink(join(dir, 'src/old.txt'))
    const before = await git(root, 'rev-parse', 'HEAD')

    const { json } = await on.approve(id, { ...ALL, createCommit: true, commitMessage: 'Add dates' })

    expect(json).toMatchObject({ success: true, applied: 3, remaining: 0 })
    expect(json.commitHash).toBe(await git(root, 'rev-parse', 'HEAD'))
    expect(await git(root, 'rev-parse', 'HEAD^')).toBe(before)
    expect(await git(root, 'log', '-1', '--format=%an <%ae>|%B')).toBe(
      'agent-7 <noreply@workspace-sandbox.local>|Add dates\n',
    )
    expect(await git(root, 'status', '--porcelain')).toBe('')
    expect(await git(root, 'show', 'HEAD:new.txt')).toBe('n')
  })

  on.item('I', 37, 'commits only approved files, and leaves what somebody staged', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root, { owner: 'a' })
    await writeFiles(dir, { 'src/app.txt': 'changed\n', 'new.txt': 'n\n' })
    await writeFiles(root, { 'staged.txt': 's\n', 'docs/a.md': 'edited\n', 'loose.txt': 'l\n' })
    await git(root, 'add', 'staged.txt', 'docs/a.md')
    await writeFile(join(root, '.git/hooks/pre-commit'), '#!/bin/sh\ntouch hook-ran\nexit 1\n', {
      mode: 0o755,
    })
    const fileIds = [idOf(await on.diff(id), 'new.txt')]

    const { json } = await on.approve(id, { ...ALL, mode: 'files', fileIds, createCommit: true })

    expect(json.commitHash, json.error).toBe(await git(root, 'rev-parse', 'HEAD'))
    expect(await git(root, 'show', '--format=', '--name-only', 'HEAD')).toBe('new.txt')
    expect(await git(root, 'status', '--porcelain')).toBe('M  docs/a.md\nA  staged.txt\n?? loose.txt')
    expect(await git(root, 'log', '-1', '--format=%B')).not.toBe('')
  })

  on.item('I', 37, 'commits in a scoped sandbox, and chosen hunks', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root, { scopePath: 'src', owner: 'a' })
    const first = APP_TEXT.replace('line 2\n', 'TWO\n')
    await writeFile(join(dir, 'app.txt'), first.replace('line 38\n', 'B\n'))
    await unlink(join(dir, 'old.txt'))
    const fileId = idOf(await on.diff(id), 'app.txt')
    const hunkRanges = [{ fileId, startLine: 1, endLine: 1 }]

    const one = await on.approve(id, { ...ALL, mode: 'hunks', hunkRanges, createCommit: true })
    expect(one.json.commitHash, one.text).toBe(await git(root, 'rev-parse', 'HEAD'))
    expect(`${await git(root, 'show', 'HEAD:src/app.txt')}\n`).toBe(first)
    const two = await on.approve(id, { ...ALL, createCommit: true })
    expect(two.json.commitHash, two.text).toBe(await git(root, 'rev-parse', 'HEAD'))
    expect(await git(root, 'show', '--format=', '--name-only', 'HEAD')).toBe('src/app.txt\nsrc/old.txt')
    expect(await git(root, 'status', '--porcelain')).toBe('')
  })

  on.item('I', 37, 'commits with the line ends the project wants', async () => {
    const root = await makeProject()
    await git(root, 'config', 'core.autocrlf', 'true')
    const { id, dir } = await on.create(root)
    await writeFile(join(dir, 'crlf.txt'), 'a\r\nb\r\n')
    await on.approve(id, { ...ALL, createCommit: true })
    expect(await git(root, 'cat-file', '-s', 'HEAD:crlf.txt')).toBe('4')
    expect(await readFile(join(root, 'crlf.txt'), 'utf8')).toBe('a\r\nb\r\n')
    expect(await git(root, 'status', '--porcelain')).toBe('')
  })

  on.item('I', 37, 'tells when there is no commit', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root)
    await writeFile(join(dir, 'new.txt'), 'n\n')
    await writeFile(join(root, '.git/refs/heads/main.lock'), '')
    const { json } = await on.approve(id, { ...ALL, createCommit: true })
    expect(json.commitHash).toBeUndefined()
    expect(json.error).toEqual(expect.any(String))
    expect(await readFile(join(root, 'new.txt'), 'utf8')).toBe('n\n')

    const plain = await makeFolder()
    await writeFiles(plain, { 'a.txt': 'a\n' })
    const outside = await on.create(plain)
    await writeFile(join(outside.dir, 'a.txt'), 'b\n')
    const refused = await on.approve(outside.id, { ...ALL, createCommit: true })
    expect(refused.json.error).toEqual(expect.any(String))
    expect(refused.json.commitHash).toBeUndefined()
  })

  on.item('C', 38, 'says so when a patch does not apply, and touches nothing', async () => {
    const root = await makeProject()
    const outside = await makeFolder()
    const { id, dir } = await on.create(root)
    await writeFiles(dir, { 'docs/new.md': 'n\n', 'src/new.txt': 'n\n' })
    // Nothing may be written through a link: neither git nor anybody else does.
    await rename(join(root, 'docs'), join(outside, 'docs'))
    await symlink(join(outside, 'docs'), join(root, 'docs'))
    const before = [await readTree(root), await readTree(outside)]

    const answer = await on.approve(id)

    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({ success: false, applied: 0, error: expect.any(String) })
    expect(answer.json.failed).toBeGreaterThan(0)
    expect([await readTree(root), await readTree(outside)]).toEqual(before)
    expect((await on.get(id)).json.status).toBe('active')
  })

  on.item('I', 39, 'never overwrites what somebody edited meanwhile', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root)
    await writeFiles(dir, { 'src/app.txt': 'agent\n', 'fresh.txt': 'agent\n', 'docs/a.md': 'agent\n' })
    await writeFiles(root, { 'src/app.txt': 'person\n', 'fresh.txt': 'person\n' })
    const before = await readTree(root)
    for (const body of [ALL, { ...ALL, force: true }]) {
      const answer = await on.approve(id, body)
      expect(answer.status).toBe(200)
      expect(answer.json).toMatchObject({ success: false, applied: 0 })
      expect(answer.json.error).toContain('src/app.txt')
      expect(await readTree(root)).toEqual(before)
    }
    expect((await on.get(id)).json.status).toBe('active')
  })

  /** A sandbox whose edit clashes with a newer commit. */
  const clashing = async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root)
    await writeFile(join(dir, 'src/app.txt'), 'agent\n')
    await writeFile(join(root, 'src/app.txt'), 'person\n')
    await commitAll(root, 'person')
    return { root, id }
  }

  on.item('I', 39, 'refuses with 409 what both sides committed, and overwrites it for no force', async () => {
    const { root, id } = await clashing()
    const refused = await on.approve(id)
    expect(refused.status).toBe(409)
    expect(refused.json.hint).toEqual(expect.any(String))
    expect((await on.approve(id, { ...ALL, force: true })).json.success).toBe(false)
    expect(await readFile(join(root, 'src/app.txt'), 'utf8')).toBe('person\n')
  })

  on.item('C', 39, 'skips the 409 when forced', async () => {
    const { id } = await clashing()
    expect((await on.approve(id, { ...ALL, force: true })).status).toBe(200)
  })

  on.item('C', 39, 'applies when only other files moved on', async () => {
    const root = await makeProject()
    const { id, dir } = await on.create(root)
    await writeFile(join(dir, 'src/app.txt'), 'agent\n')
    await writeFile(join(root, 'README.md'), 'person\n')
    await commitAll(root, 'person')
    expect((await on.approve(id)).json).toMatchObject({ success: true, applied: 1 })
    expect(await readFile(join(root, 'README.md'), 'utf8')).toBe('person\n')
  })

  for (const scope of ['', 'src']) {
    on.item('I', 40, `finds conflicts, and none after a rebase${scope && ', scoped'}`, async () => {
      const root = await makeProject()
      const { id, dir, json } = await on.create(root, { scopePath: scope })
      const path = scope === '' ? 'src/app.txt' : 'app.txt'
      expect((await on.get(id, '/conflicts')).json).toMatchObject({ hasConflict: false })
      await appendFile(join(dir, path), 'agent\n')
      await writeFile(join(root, 'src/app.txt'), `person\n${APP_TEXT}`)
      await writeFile(join(root, 'src/other.txt'), 'person\n')
      const head = await commitAll(root, 'person')

      expect((await on.get(id, '/conflicts')).json).toMatchObject({
        hasConflict: true,
        baseCommitHash: json.baseCommitHash,
        currentHash: head,
        conflictingFiles: [path],
        sandboxChangedFiles: [path],
        repoChangedFiles: [path, path.replace('app', 'other')],
        checkedAt: expect.any(String),
      })
      const rebased = await on.act(id, 'rebase', { strategy: 'regenerate', actor: 'me' })
      expect(rebased.json, rebased.text).toMatchObject({
        success: true,
        strategy: 'regenerate',
        previousBaseHash: json.baseCommitHash,
        newBaseHash: head,
        conflictingFiles: [path],
      })
      expect((await on.get(id, '/conflicts')).json).toMatchObject({ hasConflict: false })
      expect((await on.get(id)).json.baseCommitHash).toBe(head)
      const diff = await on.diff(id)
      expect(pathsOf(diff)).toEqual([`modified ${path}`])
      expect(diff.unifiedDiff).toContain('-person\n')
      expect((await on.approve(id)).json).toMatchObject({ success: true, applied: 1 })
      expect(await readFile(join(root, 'src/app.txt'), 'utf8')).toBe(`${APP_TEXT}agent\n`)
      expect(await readFile(join(root, 'src/other.txt'), 'utf8')).toBe('person\n')
    })
  }

  on.item(
    'I',
    40,
    'rebases on whatever stands there now, and tells when there is no repository',
    async () => {
      const root = await makeProject({ d: 'file\n' })
      const { id, dir } = await on.create(root)
      await writeFiles(dir, {
        'src/app.txt': 'agent\n',
        d: 'agent\n',
        'fresh.txt': 'agent\n',
        'docs/a.md': 'agent\n',
      })
      await unlink(join(root, 'src/app.txt'))
      await unlink(join(root, 'd'))
      await mkdir(join(root, 'd'))
      await writeFiles(root, { 'd/in': '1\n', 'fresh.txt': 'person\n' })
      expect((await on.act(id, 'rebase')).json).toMatchObject({ success: true })
      expect(pathsOf(await on.diff(id))).toEqual(
        expect.arrayContaining(['added src/app.txt', 'modified fresh.txt', 'modified docs/a.md']),
      )
      const plain = await makeFolder()
      await writeFiles(plain, { 'a.txt': 'a\n' })
      const outside = await on.create(plain)
      expect((await on.act(outside.id, 'rebase', {})).json).toMatchObject({
        success: false,
        error: expect.any(String),
      })
    },
  )
})
