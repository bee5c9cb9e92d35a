/** What a service that does not look would land wrongly, and what it would land over (contract, section 0). */
import { chmod, mkdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { approvals, landing, projectOf, serve } from '../support/sandbox-faulty-client.ts'
import { type FakeSandbox, makeFakeSandbox } from '../support/sandbox-faulty-overlay.ts'
import { commitAll } from '../support/sandbox-project.ts'

describe('what the real service would land wrongly', () => {
  const one = (path: string, changeType: 'added' | 'modified' = 'added') => [{ id: 'f1', path, changeType }]
  const cases: [string, readonly ReturnType<typeof one>[number][], (dir: string) => Promise<void>][] = [
    ['a binary', one('pic.png'), (dir) => writeFile(join(dir, 'pic.png'), Buffer.from([1, 0, 2]))],
    [
      'not UTF-8',
      one('latin.txt'),
      (dir) => writeFile(join(dir, 'latin.txt'), Buffer.from([0x41, 0xe9, 0x0a])),
    ],
    ['a symbolic link', one('link'), (dir) => symlink('nowhere', join(dir, 'link'))],
    ['a changed file mode', one('README.md', 'modified'), (dir) => chmod(join(dir, 'README.md'), 0o755)],
  ]
  it.each(cases)('is refused before anything is asked: %s', async (_what, expected, dress) => {
    const box = await makeFakeSandbox(expected, dress)
    const { server, client } = await serve(box.routes())

    expect(await client.applyAll('s1', landing(box))).toMatchObject({
      ok: false,
      reason: 'unable',
      message: expect.stringContaining(expected[0]!.path),
      paths: [expected[0]!.path],
    })
    expect(approvals(server)).toBe(0)
    const ours = await serve(box.routes(), { trusted: true })
    expect(await ours.client.applyAll('s1', landing(box))).toEqual({ ok: true, applied: 1 })
  })

  it('is refused when a folder was made again without what was in it, which the service does not list', async () => {
    const expected = [{ id: 'f1', path: 'src/fresh.txt', changeType: 'added' as const }]
    const box = await makeFakeSandbox(expected, async (dir) => {
      await rm(join(dir, 'src'), { recursive: true })
      await mkdir(join(dir, 'src'))
      await writeFile(join(dir, 'src/fresh.txt'), 'fresh\n')
    })
    const { server, client } = await serve(box.routes())

    expect(await client.applyAll('s1', landing(box))).toMatchObject({
      reason: 'unable',
      paths: ['src/app.txt', 'src/old.txt'],
    })
    expect(approvals(server)).toBe(0)
  })

  it('is refused when a removed folder stands for all that was in it', async () => {
    const expected = [{ id: 'f1', path: 'src', changeType: 'deleted' as const }]
    const box = await makeFakeSandbox(expected, (dir) => rm(join(dir, 'src'), { recursive: true }))
    const { client } = await serve(box.routes())

    expect(await client.applyAll('s1', landing(box))).toMatchObject({ reason: 'unable', paths: ['src'] })
  })

  it('is told by the diff, too', async () => {
    const box = await makeFakeSandbox()
    box.unifiedDiff =
      'diff --git a/docs/new.txt b/docs/new.txt\nnew file mode 100644\nBinary file docs/new.txt\n'
    const { client } = await serve(box.routes())

    expect(await client.applyAll('s1', landing(box))).toMatchObject({
      reason: 'unable',
      paths: ['docs/new.txt'],
    })
  })
})

describe('a project that moved on under a service that does not look', () => {
  const moved = async (change: (box: FakeSandbox) => Promise<unknown>, paths: string[]) => {
    const box = await makeFakeSandbox()
    await change(box)
    const before = await projectOf(box)
    const { server, client } = await serve(box.routes())
    expect(await client.applyAll('s1', landing(box))).toMatchObject({ ok: false, reason: 'conflict', paths })
    expect(approvals(server)).toBe(0)
    expect(await projectOf(box)).toEqual(before)
  }

  it('is a conflict that names the file, however old it is made to look', async () => {
    await moved(
      async ({ projectRoot }) => {
        await writeFile(join(projectRoot, 'README.md'), 'theirs\n')
        await utimes(join(projectRoot, 'README.md'), 1, 1)
      },
      ['README.md'],
    )
  })

  it('is a conflict when a file to be added is there, or one to be deleted was changed', async () => {
    await moved(
      async ({ projectRoot }) => {
        await writeFile(join(projectRoot, 'docs/new.txt'), 'theirs\n')
        await writeFile(join(projectRoot, 'src/old.txt'), 'still needed\n')
      },
      ['docs/new.txt', 'src/old.txt'],
    )
  })

  it('is a conflict after a commit that touched the file', async () => {
    await moved(
      async ({ projectRoot }) => {
        await writeFile(join(projectRoot, 'README.md'), 'theirs\n')
        await commitAll(projectRoot, 'theirs')
      },
      ['README.md'],
    )
  })

  it('is seen without git, too', async () => {
    await moved(
      async (box) => {
        box.baseCommit = null
        await rm(join(box.projectRoot, '.git'), { recursive: true })
        await writeFile(
          join(box.projectRoot, 'README.md'),
          await readFile(join(box.projectRoot, 'README.md')),
        )
      },
      ['README.md'],
    )
  })

  it('is taken for moved where only a commit that is gone could tell', async () => {
    await moved(({ projectRoot }) => rm(join(projectRoot, '.git'), { recursive: true }), ['docs/new.txt'])
  })

  it('is none when the file was written again as it was, and when others changed', async () => {
    const box = await makeFakeSandbox()
    const readme = join(box.projectRoot, 'README.md')
    await writeFile(readme, await readFile(readme))
    await writeFile(join(box.projectRoot, 'docs/a.md'), 'theirs\n')
    const { client } = await serve(box.routes())

    expect(await client.applyAll('s1', landing(box))).toEqual({ ok: true, applied: 3 })
    expect(await readFile(join(box.projectRoot, 'docs/a.md'), 'utf8')).toBe('theirs\n')
  })

  it('is a conflict when a file was deleted that the sandbox now shows as added', async () => {
    const expected = [{ id: 'f1', path: 'README.md', changeType: 'added' as const }]
    const box = await makeFakeSandbox(expected, async (dir, root) => {
      await writeFile(join(dir, 'README.md'), '# changed\n')
      await rm(join(root, 'README.md'))
    })
    const { server, client } = await serve(box.routes())

    expect(await client.applyAll('s1', landing(box))).toMatchObject({ ok: false, paths: ['README.md'] })
    expect(approvals(server)).toBe(0)
  })
})
