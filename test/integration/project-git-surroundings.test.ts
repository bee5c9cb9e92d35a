import { execFileSync } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
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
  makeProject,
  PATH,
  put,
  read,
  status,
} from '../support/git-project.ts'

const IS_ROOT = process.geteuid?.() === 0
const OTHER_UID = 54_321
const OTHER_GID = 54_322

let base: string
let project: string
const repo = createProjectRepo({ path: PATH })

beforeEach(() => {
  ;({ base, project } = makeProject())
})

afterEach(() => rmSync(base, { recursive: true, force: true }))

describe('filters and hooks', () => {
  it('runs the clean filter of the repository and none of its hooks', async () => {
    const trace = join(base, 'hook-ran')
    const hooks = join(project, '.git/hooks')
    mkdirSync(hooks, { recursive: true })
    const named = ['pre-commit', 'commit-msg', 'post-commit', 'reference-transaction', 'post-index-change']
    for (const hook of named) {
      writeFileSync(join(hooks, hook), `#!/bin/sh\ntouch '${trace}'\nexit 1\n`, { mode: 0o755 })
    }
    git(project, 'config', 'core.hooksPath', hooks)
    git(project, 'config', 'core.fsmonitor', join(hooks, 'pre-commit'))
    git(project, 'config', 'commit.gpgSign', 'true')
    git(project, 'config', 'gpg.program', '/nonexistent/gpg')
    git(project, 'config', 'filter.shout.clean', 'tr a-z A-Z')
    put(project, '.git/info/attributes', 'loud.txt filter=shout\n')

    const { commit } = await approve(
      repo,
      agentChange(project, (root) => put(root, 'loud.txt', 'hello\n')),
    )

    expect(existsSync(trace)).toBe(false)
    expect(git(project, '-c', 'core.fsmonitor=false', 'show', `${commit}:loud.txt`)).toBe('HELLO\n')
    expect(git(project, '-c', 'core.fsmonitor=false', 'cat-file', 'commit', commit)).not.toContain('gpgsig')
  })

  it('ends a filter that hangs, with all it has started', async () => {
    const pidFile = join(base, 'pid')
    git(project, 'config', 'filter.slow.clean', `echo $$ > '${pidFile}'; sleep 300; cat`)
    put(project, '.git/info/attributes', 'a.txt filter=slow\n')
    const hasty = createProjectRepo({ path: PATH, deadlineMs: 1_000 })
    const change = agentChange(project, (root) => put(root, 'a.txt', 'x\n'))
    put(project, 'a.txt', 'touched\n')

    await expect(hasty.plan(change.request)).rejects.toMatchObject({ code: 'STATE_PROJECT_DIRTY' })

    const pid = Number(read(base, 'pid'))
    expect(pid).toBeGreaterThan(1)
    await until(() => !isAlive(pid))
  })
})

describe('where the project lies', () => {
  it('commits from a sub-folder of a repository, dirty files included', async () => {
    put(project, 'packages/one pkg/x.txt', lines(1, 30))
    put(project, 'packages/one pkg/y.txt', 'y\n')
    commitAll(project, 'second')
    const root = join(project, 'packages/one pkg')
    edit(root, 'x.txt', 'line 28\n', 'mine\n')

    const { commit, plan } = await approve(
      repo,
      agentChange(root, (copy) => {
        edit(copy, 'x.txt', 'line 3\n', 'three\n')
        unlinkSync(join(copy, 'y.txt'))
      }),
    )

    expect(plan).toMatchObject({ clean: ['y.txt'], dirty: ['x.txt'] })
    expect(filesOf(project, commit)).toEqual(['packages/one pkg/x.txt', 'packages/one pkg/y.txt'])
    expect(status(project)).toBe(' M "packages/one pkg/x.txt"\n')
  })

  it('commits in a linked worktree and moves its branch only', async () => {
    const linked = join(base, 'linked')
    git(project, 'worktree', 'add', '-q', '-b', 'side', linked)
    const main = head(project)

    const { commit } = await approve(
      repo,
      agentChange(linked, (root) => put(root, 'a.txt', 'side\n')),
    )

    expect(head(linked)).toBe(commit)
    expect(git(linked, 'symbolic-ref', 'HEAD').trim()).toBe('refs/heads/side')
    expect(head(project)).toBe(main)
    expect(status(linked)).toBe('')
    expect(status(project)).toBe('')
  })

  it('commits inside a submodule, and refuses to commit a submodule from outside', async () => {
    const library = join(base, 'library')
    mkdirSync(library)
    git(library, 'init', '-q', '-b', 'main')
    put(library, 'lib.txt', 'lib\n')
    commitAll(library, 'first')
    git(project, 'submodule', '--quiet', 'add', library, 'sub')
    commitAll(project, 'second')
    const change = agentChange(join(project, 'sub'), (root) => put(root, 'lib.txt', 'changed\n'))

    const outside = await repo.plan({ projectRoot: project, paths: ['sub/lib.txt', 'a.txt'], patch: '' })
    await approve(repo, change)

    expect(outside).toMatchObject({ ok: false, reason: 'dirty', paths: ['sub/lib.txt'] })
    expect(status(join(project, 'sub'))).toBe('')
  })

  it('tells a work tree from what is none', async () => {
    const plain = join(base, 'plain')
    mkdirSync(plain)

    expect(await repo.isWorkTree(project)).toBe(true)
    expect(await repo.isWorkTree(join(project, 'docs'))).toBe(true)
    expect(await repo.isWorkTree(join(project, '.git'))).toBe(false)
    expect(await repo.isWorkTree(plain)).toBe(false)
    expect(await repo.isWorkTree(join(base, 'absent'))).toBe(false)
    expect(await repo.isWorkTree(join(project, 'a.txt'))).toBe(false)
    expect(await repo.plan({ projectRoot: plain, paths: ['a'], patch: '' })).toMatchObject({
      ok: false,
      reason: 'not_git',
    })
  })

  it('says so when git is missing or the repository is broken', async () => {
    const noGit = createProjectRepo({ path: join(base, 'no-programs') })
    put(project, '.git/config', '[core\n')

    await expect(noGit.isWorkTree(project)).rejects.toMatchObject({ code: 'INTERNAL' })
    await expect(repo.isWorkTree(project)).rejects.toMatchObject({ code: 'STATE_PROJECT_DIRTY' })
  })

  it.each(['../out', '/etc/passwd', 'a/../../b', '.git/config', 'x/.GIT/hooks/pre-commit', ''])(
    'takes %j for no path of a project',
    async (path) => {
      const change = agentChange(project, (root) => put(root, 'a.txt', 'x\n'))

      await expect(repo.plan({ ...change.request, paths: [path] })).rejects.toMatchObject({
        code: 'SANDBOX_OPERATION',
      })
    },
  )

  it('leaves everything to its owner when run as root', async ({ skip }) => {
    skip(!IS_ROOT, 'only root can own a repository as somebody else')
    execFileSync('chown', ['-R', `${OTHER_UID}:${OTHER_GID}`, project])
    const change = agentChange(project, (root) => {
      edit(root, 'a.txt', 'line 3\n', 'three\n')
      put(root, 'deep/er/new.txt', 'new\n')
    })
    const land = (): void => {
      change.land()
      for (const path of ['a.txt', 'deep', 'deep/er', 'deep/er/new.txt']) {
        chownSync(join(project, path), OTHER_UID, OTHER_GID)
      }
    }

    await approve(repo, { ...change, land })

    const foreign = readdirSync(project, { recursive: true, encoding: 'utf8' }).filter((path) => {
      const { uid, gid } = statSync(join(project, path))
      return uid !== OTHER_UID || gid !== OTHER_GID
    })
    expect(foreign).toEqual([])
    expect(status(project)).toBe('')
  })
})

describe('a project in the middle of something', () => {
  const clash = (): void => {
    git(project, 'checkout', '-q', '-b', 'side')
    put(project, 'docs/b.txt', 'side\n')
    commitAll(project, 'side')
    git(project, 'checkout', '-q', 'main')
    put(project, 'docs/b.txt', 'main\n')
    commitAll(project, 'main')
  }
  const fails = (...args: string[]): void => expect(() => git(project, ...args)).toThrow()

  it.each([
    ['merge', () => fails('merge', 'side')],
    ['rebase', () => fails('rebase', 'side')],
    ['cherry-pick', () => fails('cherry-pick', 'side')],
    ['revert', () => fails('revert', '--no-edit', 'HEAD~1', 'side')],
    ['bisect', (): void => void git(project, 'bisect', 'start')],
    [
      'git am',
      (): void => {
        put(base, 'mail', git(project, 'format-patch', '-1', '--stdout', 'side'))
        fails('am', join(base, 'mail'))
      },
    ],
  ])('is refused: %s', async (what, begin) => {
    clash()
    begin()

    const result = await repo.plan({ projectRoot: project, paths: ['a.txt'], patch: '' })

    expect(result).toMatchObject({ ok: false, reason: 'busy' })
    expect(result).toHaveProperty('message', expect.stringContaining(`a ${what} is in progress`))
  })
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('the condition did not come true in 5 s')
    await delay(10)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // ESRCH: what the caller asks about.
    return false
  }
}
