import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readlinkSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProjectRepo } from '../../adapters/project-git/index.ts'
import {
  agentChange,
  approve,
  commitAll,
  edit,
  filesOf,
  git,
  head,
  lines,
  MESSAGE,
  makeProject,
  PATH,
  planned,
  put,
  read,
  status,
} from '../support/git-project.ts'

let base: string
let project: string
const repo = createProjectRepo({ path: PATH })

beforeEach(() => {
  ;({ base, project } = makeProject())
})

afterEach(() => rmSync(base, { recursive: true, force: true }))

describe('a commit', () => {
  it('holds the approved change, its author, our committer and the whole message', async () => {
    const parent = head(project)

    const { commit } = await approve(
      repo,
      agentChange(project, (root) => {
        edit(root, 'a.txt', 'line 3\n', 'line three\n')
        put(root, 'new/file.txt', 'new\n')
      }),
    )

    expect(head(project)).toBe(commit)
    expect(git(project, 'log', '-1', '--format=%an <%ae>|%cn <%ce>|%P|%B').trimEnd()).toBe(
      `Ann Lee <ann@agent-manager.local>|agent-manager <noreply@agent-manager.local>|${parent}|${MESSAGE.trimEnd()}`,
    )
    expect(git(project, 'log', '-1', '--format=%(trailers:key=Agent-Manager-Run,valueonly)').trim()).toBe(
      'r1',
    )
    expect(filesOf(project, commit)).toEqual(['a.txt', 'new/file.txt'])
    expect(status(project)).toBe('')
    expect(git(project, 'symbolic-ref', 'HEAD').trim()).toBe('refs/heads/main')
    expect(git(project, 'reflog', '-1', '--format=%gs').trim()).toMatch(/^agent-manager: /)
  })

  it('keeps deletions, moves, the executable bit, symlinks and binary files', async () => {
    const bytes = Buffer.from([0, 1, 2, 255, 0])

    const { commit } = await approve(
      repo,
      agentChange(project, (root) => {
        unlinkSync(join(root, 'docs/b.txt'))
        put(root, 'moved.txt', read(root, 'a.txt'))
        unlinkSync(join(root, 'a.txt'))
        chmodSync(join(root, 'run.sh'), 0o755)
        symlinkSync('run.sh', join(root, 'link'))
        put(root, 'image.bin', bytes)
      }),
    )

    const tree = git(project, 'ls-tree', '-r', commit)
    expect(tree.replace(/ [0-9a-f]{40}/g, '')).toBe(
      '120000 blob\tlink\n100644 blob\timage.bin\n100644 blob\tmoved.txt\n100755 blob\trun.sh\n'
        .split('\n')
        .sort((a, b) => ((a.split('\t')[1] ?? '~') < (b.split('\t')[1] ?? '~') ? -1 : 1))
        .join('\n'),
    )
    expect(execFileSync('git', ['cat-file', 'blob', `${commit}:image.bin`], { cwd: project })).toEqual(bytes)
    expect(readlinkSync(join(project, 'link'))).toBe('run.sh')
    expect(status(project)).toBe('')
  })

  it('takes names with blanks, quotes, tabs, newlines, stars and letters beyond ASCII', async () => {
    const names = [
      'with blank.txt',
      'dir ä/ünï.txt',
      'q"uote',
      'tab\there',
      'new\nline',
      'star*[x]',
      ':(top)x',
    ]
    put(project, 'starfish', 'not meant\n')
    put(project, 'dir ä/ünï.txt', 'old\n')
    commitAll(project, 'second')

    const { commit } = await approve(
      repo,
      agentChange(project, (root) => {
        for (const name of names) put(root, name, 'x\n')
      }),
    )

    expect(filesOf(project, commit)).toEqual([...names].sort())
    expect(status(project)).toBe('')
  })

  it('replaces a folder by a symlink or a file, and a file by a folder, without following anything', async () => {
    put(project, 'x/one', '1\n')
    put(project, 'y/two', '2\n')
    commitAll(project, 'second')
    const outside = join(base, 'outside')
    put(outside, 'one', 'secret\n')

    const { commit } = await approve(
      repo,
      agentChange(project, (root) => {
        rmSync(join(root, 'x'), { recursive: true })
        symlinkSync(outside, join(root, 'x'))
        rmSync(join(root, 'y'), { recursive: true })
        put(root, 'y', 'file now\n')
        unlinkSync(join(root, 'a.txt'))
        put(root, 'a.txt/inner', 'folder now\n')
      }),
    )

    expect(filesOf(project, commit)).toEqual(['a.txt', 'a.txt/inner', 'x', 'x/one', 'y', 'y/two'])
    expect(git(project, 'ls-tree', commit, 'x')).toMatch(/^120000 blob/)
    expect(status(project)).toBe('')
  })

  it('removes everything below a folder that the sandbox names as one deletion', async () => {
    put(project, 'old/one', '1\n')
    put(project, 'old/deep/two', '2\n')
    commitAll(project, 'second')
    const change = agentChange(project, (root) => rmSync(join(root, 'old'), { recursive: true }))
    const patch = 'diff --git a/old b/old\ndeleted file mode 040755\n--- a/old\n+++ /dev/null\n'

    const { commit } = await approve(repo, {
      ...change,
      request: { ...change.request, paths: ['old'], patch },
    })

    expect(filesOf(project, commit)).toEqual(['old/deep/two', 'old/one'])
    expect(status(project)).toBe('')
  })

  it('is not made when nothing would change', async () => {
    const change = agentChange(project, (root) => edit(root, 'a.txt', 'line 3\n', 'line three\n'))
    const plan = await planned(repo, change.request)

    const commit = await repo.write(change.request, plan)

    expect(commit).toBe(plan.head)
    expect(await repo.publish(change.request, plan, commit)).toBe('ok')
    expect(head(project)).toBe(plan.head)
  })

  it('is the first of a repository that has none', async () => {
    const fresh = join(base, 'fresh')
    mkdirSync(fresh)
    git(fresh, 'init', '-q', '-b', 'trunk')

    const change = agentChange(fresh, (root) => put(root, 'a.txt', 'first\n'))
    const { commit, plan } = await approve(repo, change)

    expect(head(fresh)).toBe(commit)
    expect(git(fresh, 'log', '--format=%P%D').trim()).toBe('HEAD -> trunk')
    expect(status(fresh)).toBe('')
    expect(await repo.publish(change.request, plan, commit)).toBe('ok')
  })

  it('works in a repository of SHA-256', async () => {
    const fresh = join(base, 'fresh')
    mkdirSync(fresh)
    git(fresh, 'init', '-q', '--object-format=sha256')
    put(fresh, 'a.txt', 'a\n')
    put(fresh, 'b.txt', 'b\n')
    commitAll(fresh, 'first')

    await approve(
      repo,
      agentChange(fresh, (root) => {
        put(root, 'a.txt', 'changed\n')
        unlinkSync(join(root, 'b.txt'))
      }),
    )

    expect(head(fresh)).toHaveLength(64)
    expect(status(fresh)).toBe('')
  })

  it('includes a file that git ignores when it was approved', async () => {
    put(project, '.gitignore', '*.log\n')
    commitAll(project, 'second')

    const { commit } = await approve(
      repo,
      agentChange(project, (root) => put(root, 'kept.log', 'log\n')),
    )

    expect(filesOf(project, commit)).toEqual(['kept.log'])
  })

  it('refuses an author that git would mangle', async () => {
    const change = agentChange(project, (root) => put(root, 'a.txt', 'x\n'))
    const plan = await planned(repo, change.request)
    change.land()

    await expect(repo.write({ ...change.request, author: 'no mail' }, plan)).rejects.toMatchObject({
      code: 'VALIDATION_FIELD',
    })
  })
})

describe('work that somebody has not committed', () => {
  it('stays out of the commit, staged or not, at other paths', async () => {
    edit(project, 'docs/b.txt', 'bee', 'unstaged')
    put(project, 'staged.txt', 'staged\n')
    git(project, 'add', 'staged.txt')
    put(project, 'untracked.txt', 'untracked\n')
    const before = status(project)

    const { commit } = await approve(
      repo,
      agentChange(project, (root) => edit(root, 'a.txt', 'line 3\n', 'line three\n')),
    )

    expect(filesOf(project, commit)).toEqual(['a.txt'])
    expect(status(project)).toBe(before)
    expect(read(project, 'docs/b.txt')).toBe('unstaged\n')
  })

  it('stays out of the commit in the very file whose other lines were approved', async () => {
    edit(project, 'a.txt', 'line 28\n', 'mine, not to be committed\n')

    const change = agentChange(project, (root) => edit(root, 'a.txt', 'line 3\n', 'line three\n'))
    const { commit, plan } = await approve(repo, change)

    expect(plan).toMatchObject({ clean: [], dirty: ['a.txt'] })
    expect(git(project, 'show', `${commit}:a.txt`)).toBe(lines(1, 30).replace('line 3\n', 'line three\n'))
    expect(read(project, 'a.txt')).toContain('mine, not to be committed\n')
    expect(status(project)).toBe(' M a.txt\n')
    expect(git(project, 'diff', '--numstat').trim()).toBe('1\t1\ta.txt')
  })

  it('is a refusal that names the file when the change builds on it', async () => {
    edit(project, 'a.txt', 'line 3\n', 'my line\n')
    edit(project, 'docs/b.txt', 'bee', 'mine')
    const change = agentChange(project, (root) => {
      edit(root, 'a.txt', 'my line\n', 'my line, improved\n')
      put(root, 'fine.txt', 'fine\n')
    })
    const refs = git(project, 'for-each-ref')

    const result = await repo.plan(change.request)

    expect(result).toMatchObject({ ok: false, reason: 'dirty', paths: ['a.txt'] })
    expect(result).toHaveProperty('message', expect.stringMatching(/"a\.txt".*commit or undo them first/))
    expect(git(project, 'for-each-ref')).toBe(refs)
  })

  it('is a refusal that says what to do for a file that was never committed', async () => {
    put(project, 'notes.txt', 'mine\n')

    const result = await repo.plan(agentChange(project, (root) => put(root, 'notes.txt', 'edited\n')).request)

    expect(result).toMatchObject({ ok: false, reason: 'dirty', paths: ['notes.txt'] })
    expect(result).toHaveProperty('message', expect.stringMatching(/commit or remove it first/))
  })

  it('counts when it is only a mode, a deletion or a binary file', async () => {
    put(project, 'image.bin', Buffer.from([0, 1]))
    commitAll(project, 'second')
    chmodSync(join(project, 'run.sh'), 0o755)
    unlinkSync(join(project, 'docs/b.txt'))
    put(project, 'image.bin', Buffer.from([0, 2]))
    const change = agentChange(project, (root) => {
      edit(root, 'run.sh', 'echo', 'echo hello')
      put(root, 'docs/b.txt', 'bee again\n')
      put(root, 'image.bin', Buffer.from([0, 3]))
    })

    const result = await repo.plan(change.request)

    // The text of run.sh applies to HEAD without the mode; the others clash.
    expect(result).toMatchObject({ ok: false, reason: 'dirty', paths: ['docs/b.txt', 'image.bin'] })
  })

  it('is not written to the object store by planning', async () => {
    put(project, 'secret.env', 'password\n')
    edit(project, 'a.txt', 'line 28\n', 'password\n')
    const objects = git(project, 'count-objects')

    const change = agentChange(project, (root) => {
      edit(root, 'a.txt', 'line 3\n', 'line three\n')
      put(root, 'secret.env', 'changed\n')
    })
    await repo.plan(change.request)
    await repo.plan({ ...change.request, paths: ['secret.env'] })

    expect(git(project, 'count-objects')).toBe(objects)
  })

  it('moves both sides of a rename when one of them is dirty', async () => {
    edit(project, 'a.txt', 'line 28\n', 'mine\n')
    const change = agentChange(project, (root) => edit(root, 'run.sh', 'echo', 'echo 1'))
    const patch = 'diff --git a/a.txt b/c.txt\nsimilarity index 100%\nrename from a.txt\nrename to c.txt\n'

    const plan = await planned(repo, { ...change.request, paths: ['c.txt'], patch })
    const commit = await repo.write({ ...change.request, paths: ['c.txt'], patch }, plan)

    expect(plan).toMatchObject({ clean: [], dirty: ['a.txt', 'c.txt'] })
    expect(filesOf(project, commit)).toEqual(['a.txt', 'c.txt'])
    expect(git(project, 'show', `${commit}:c.txt`)).toBe(lines(1, 30))
  })

  it('is judged file by file for names that need care', async () => {
    const names = ['with blank.txt', 'dir ä/ünï.txt']
    for (const name of names) put(project, name, lines(1, 30))
    commitAll(project, 'second')
    for (const name of names) edit(project, name, 'line 28\n', 'mine\n')

    const { commit, plan } = await approve(
      repo,
      agentChange(project, (root) => {
        for (const name of names) edit(root, name, 'line 3\n', 'three\n')
      }),
    )

    expect(plan.dirty).toEqual([...names].sort())
    expect(filesOf(project, commit)).toEqual([...names].sort())
    expect(git(project, 'show', `${commit}:with blank.txt`)).not.toContain('mine')
  })
})

describe('line ends', () => {
  it.each([
    ['core.autocrlf', (): void => void git(project, 'config', 'core.autocrlf', 'true')],
    ['text=auto eol=crlf', (): void => put(project, '.gitattributes', '* text=auto eol=crlf\n')],
  ])('are LF in the commit and CRLF in the work tree with %s', async (_, configure) => {
    configure()
    git(project, 'config', 'core.safecrlf', 'true')
    put(project, 'win.txt', 'one\r\ntwo\r\n')
    git(project, '-c', 'core.safecrlf=false', 'add', '-A')
    git(project, '-c', 'core.safecrlf=false', 'commit', '-q', '-m', 'second')

    const { commit, plan } = await approve(
      repo,
      agentChange(project, (root) => {
        put(root, 'win.txt', 'one\r\nTWO\r\n')
        put(root, 'new.txt', 'new\r\n')
        put(root, 'unix.txt', 'unix\n')
      }),
    )

    expect(plan.dirty).toEqual([])
    expect(git(project, 'show', `${commit}:win.txt`)).toBe('one\nTWO\n')
    expect(git(project, 'show', `${commit}:new.txt`)).toBe('new\n')
    expect(read(project, 'win.txt')).toBe('one\r\nTWO\r\n')
    expect(status(project)).toBe('')
  })
})
