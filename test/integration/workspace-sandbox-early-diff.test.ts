/**
 * A diff that is asked for while the base is still being read. The reading is held up by a pipe in the place of an
 * ignore file far from what the agent touches, so an answer proves that it did not wait.
 */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { chmod, type FileHandle, mkdir, open, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { overlayProblem, overlaySuite, ROUTE } from '../support/sandbox-overlay.ts'
import { git, isGit, makeFolder, makeProject, readTree, writeFiles } from '../support/sandbox-project.ts'

const problem = await overlayProblem()

/** What was written a moment before the start could have been written after it: the clock of files ticks coarsely. */
async function untilOld(root: string): Promise<void> {
  const now = async () => {
    const mark = join(root, 'far/clock')
    await writeFile(mark, '')
    const { ctimeMs } = await stat(mark)
    await rm(mark)
    return ctimeMs
  }
  const written = await now()
  await expect.poll(now, { timeout: 10_000, interval: 10 }).toBeGreaterThan(written + 50)
}

/** @returns how to let the reading go on */
async function holdReading(root: string): Promise<() => Promise<void>> {
  const pipe = join(root, 'far/away/.gitignore')
  await rm(pipe)
  await promisify(execFile)('mkfifo', [pipe])
  await utimes(join(root, 'far/away'), 1, 1)
  await untilOld(root)
  return async () => {
    const writers: FileHandle[] = []
    const openForReader = async () => {
      // ENXIO until somebody stands there and reads.
      const writer = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => null)
      if (writer !== null) writers.push(writer)
      return writers.length
    }
    await expect.poll(openForReader, { timeout: 10_000 }).toBe(1)
    await rm(pipe)
    for (const writer of writers) await writer.close()
  }
}

const FILES = {
  'far/away/.gitignore': 'x\n',
  '.gitignore': 'out/\n*.log\n',
  'kept.log': 'tracked although ignored\n',
  'lib/.gitignore': '/made\n!*.log\n',
  'lib/a.txt': 'a\n',
  'lib/run.sh': '#!/bin/sh\n',
  'lib/bin': Buffer.from([0, 1, 2]),
  'lib/deep/b.txt': 'b\n',
  'gone.txt': 'g\n',
  'file-to-folder': 'x\n',
  'no-end.txt': 'no line break',
}

async function changeEverything(dir: string): Promise<void> {
  await writeFiles(dir, {
    '.gitignore': '*.txt\n', // the rules of the start count
    'kept.log': 'agent\n',
    'out/x': 'agent\n',
    'out/new': 'agent\n',
    'a.log': 'ignored\n',
    'untracked.txt': 'agent\n',
    'lib/a.txt': 'agent\n',
    'lib/b.log': 'not ignored here\n',
    'lib/made': 'ignored\n',
    'lib/bin': Buffer.from([0, 3]),
    'lib/deep/new/deeper/c.txt': 'c\n',
    'no-end.txt': 'still none',
    ':new b': '1\n',
  })
  await chmod(join(dir, 'lib/run.sh'), 0o755)
  await rm(join(dir, 'gone.txt'))
  await rm(join(dir, 'link'))
  await symlink('README.md', join(dir, 'link'))
  await rm(join(dir, 'file-to-folder'))
  await writeFiles(dir, { 'file-to-folder/in': '1\n' })
  await writeFile(join(dir, 'src/app.txt'), 'agent\n')
  await utimes(join(dir, 'README.md'), 1, 1)
}

describe.skipIf(problem !== null)('a diff before the base is read', () => {
  const { server, create } = overlaySuite()

  const diff = async (id: string) => {
    const { json, text, status } = await server().call('GET', `${ROUTE}/${id}/diff`)
    expect(status, text).toBe(200)
    const files = json.files.map((file: object) => ({ ...file, detectedAt: null }))
    return { ...json, generated: null, files }
  }
  /** What it says once nothing is left to wait for. */
  const diffOfWhole = async (id: string) => {
    expect((await server().call('GET', `${ROUTE}/${id}/conflicts`)).status).toBe(200)
    return diff(id)
  }
  const named = (shown: { files: { changeType: string; filePath: string }[] }) =>
    shown.files.map((file) => `${file.changeType} ${file.filePath}`)

  async function project(): Promise<string> {
    const root = await makeProject(FILES)
    await symlink('src', join(root, 'link'))
    await git(root, 'add', '-f', 'kept.log', 'link')
    await writeFiles(root, { 'untracked.txt': 'u\n', 'out/x': 'ignored\n', 'README.md': 'dirty\n' })
    return root
  }

  it('does not wait, and says what it says afterwards', async () => {
    const root = await project()
    const release = await holdReading(root)
    const { id, dir } = await create(root)
    expect(named(await diff(id))).toEqual([])
    await changeEverything(dir)

    const early = await diff(id)
    await release()

    expect(await diffOfWhole(id)).toEqual(early)
    expect(named(early)).toEqual([
      'modified .gitignore',
      'added :new b',
      'deleted file-to-folder',
      'added file-to-folder/in',
      'deleted gone.txt',
      'modified kept.log',
      'modified lib/a.txt',
      'added lib/b.log',
      'modified lib/bin',
      'added lib/deep/new/deeper/c.txt',
      'modified lib/run.sh',
      'modified link',
      'modified no-end.txt',
      'modified src/app.txt',
      'modified untracked.txt',
    ])
    expect(early.unifiedDiff).toContain('-u\n+agent\n')
  })

  it('does the same in a sub-folder of a repository', async () => {
    const root = await makeProject({
      '.gitignore': '*.log\n',
      'sub/far/away/.gitignore': 'x\n',
      'sub/a.txt': 'a\n',
    })
    const release = await holdReading(join(root, 'sub'))
    const { id, dir } = await create(join(root, 'sub'))
    await writeFiles(dir, { 'a.txt': 'agent\n', 'b.log': 'ignored\n', 'c.txt': 'c\n' })

    const early = await diff(id)
    await release()

    expect(named(early)).toEqual(['modified a.txt', 'added c.txt'])
    expect(await diffOfWhole(id)).toEqual(early)
  })

  it('does the same outside git', async () => {
    const root = await makeFolder()
    await writeFiles(root, {
      '.agentignore': '*.log\n',
      'far/away/.gitignore': 'x\n',
      'a.txt': 'a\n',
      'a.log': '1\n',
    })
    const release = await holdReading(root)
    const { id, dir } = await create(root)
    await writeFiles(dir, { 'a.txt': 'agent\n', 'a.log': '2\n', 'c.txt': 'c\n', '.agentignore': '' })

    const early = await diff(id)
    await release()

    expect(named(early)).toEqual(['modified .agentignore', 'modified a.txt', 'added c.txt'])
    expect(await diffOfWhole(id)).toEqual(early)
  })

  const WAITING: Record<string, (root: string, dir: string) => Promise<unknown>> = {
    'a file changed in the project': (root) => writeFile(join(root, 'lib/a.txt'), 'a person wrote this\n'),
    'a folder changed in the project': (root) => writeFile(join(root, 'lib/by-a-person'), '1\n'),
    'the rules changed in the project': (root) => writeFile(join(root, 'lib/.gitignore'), '*\n'),
    'the index of the project changed, and an ignored file': (root, dir) =>
      git(root, 'rm', '-q', '--cached', 'kept.log').then(() => writeFile(join(dir, 'kept.log'), 'agent\n')),
    'a folder is gone': (_root, dir) => rm(join(dir, 'docs'), { recursive: true }),
    'a folder was made anew': async (_root, dir) => {
      await rm(join(dir, 'docs'), { recursive: true })
      await mkdir(join(dir, 'docs'))
    },
    'a folder became a file': async (_root, dir) => {
      await rm(join(dir, 'docs'), { recursive: true })
      await writeFile(join(dir, 'docs'), 'd\n')
    },
    'a repository lies on the way': (_root, dir) => writeFile(join(dir, 'inner/a.txt'), 'agent\n'),
  }
  it.each(Object.entries(WAITING))('waits where only the whole base can tell: %s', async (_what, disturb) => {
    const root = await project()
    await writeFiles(root, { 'inner/a.txt': 'a\n' })
    await git(join(root, 'inner'), 'init', '-q')
    const release = await holdReading(root)
    const { id, dir } = await create(root)
    await writeFile(join(dir, 'lib/a.txt'), 'agent\n')
    await disturb(root, dir)

    let answered = false
    const early = diff(id).finally(() => {
      answered = true
    })
    await release()
    expect(answered).toBe(false)

    expect(await diffOfWhole(id)).toEqual(await early)
    expect(named(await early)).toContain('modified lib/a.txt')
  })

  it('lets nothing but a diff pass by the reading', async () => {
    const root = await project()
    const release = await holdReading(root)
    const { id, dir } = await create(root)
    await writeFile(join(dir, 'src/app.txt'), 'agent\n')
    expect(named(await diff(id))).toEqual(['modified src/app.txt'])

    const approved = server().call('POST', `${ROUTE}/${id}/approve`, {
      mode: 'all',
      overrideAcceptance: true,
    })
    await release()

    expect((await approved).json).toMatchObject({ success: true, applied: 1, remaining: 0 })
    const away = (path: string) => isGit(path) || path.startsWith('far/')
    expect(await readTree(root, away)).toEqual(await readTree(dir, away))
  })
})
