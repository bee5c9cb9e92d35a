import { readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createProjectRepo } from '../../adapters/project-git/index.ts'
import {
  agentChange,
  approve,
  commitAll,
  edit,
  git,
  head,
  makeProject,
  PATH,
  planned,
  put,
  status,
  written,
} from '../support/git-project.ts'

let base: string
let project: string
const warnings: unknown[] = []
const repo = createProjectRepo({ path: PATH, log: { warn: (fields: unknown) => void warnings.push(fields) } })

beforeEach(() => {
  ;({ base, project } = makeProject())
  warnings.length = 0
})

afterEach(() => rmSync(base, { recursive: true, force: true }))

describe('publishing', () => {
  it('moves a detached HEAD and no branch', async () => {
    git(project, 'checkout', '-q', '--detach')
    const main = git(project, 'rev-parse', 'main')

    const { commit, plan } = await approve(
      repo,
      agentChange(project, (root) => put(root, 'a.txt', 'x\n')),
    )

    expect(plan.branch).toBeNull()
    expect(head(project)).toBe(commit)
    expect(() => git(project, 'symbolic-ref', '-q', 'HEAD')).toThrow()
    expect(git(project, 'rev-parse', 'main')).toBe(main)
    expect(status(project)).toBe('')
  })

  it('is repeatable, also when others have built on the commit', async () => {
    const change = agentChange(project, (root) => put(root, 'a.txt', 'x\n'))
    const { commit, plan } = await approve(repo, change)

    expect(await repo.publish(change.request, plan, commit)).toBe('ok')
    put(project, 'a.txt', 'later\n')
    commitAll(project, 'later')
    const later = head(project)

    expect(await repo.publish(change.request, plan, commit)).toBe('ok')
    expect(head(project)).toBe(later)
    expect(status(project)).toBe('')
  })

  it('brings the index up to a commit whose ref had moved before a crash', async () => {
    const change = agentChange(project, (root) => {
      put(root, 'a.txt', 'x\n')
      unlinkSync(join(root, 'docs/b.txt'))
    })
    const { commit, plan } = await written(repo, change)
    git(project, 'update-ref', 'refs/heads/main', commit)

    expect(await repo.publish(change.request, plan, commit)).toBe('ok')
    expect(status(project)).toBe('')
  })

  it('writes the same tree when the write is repeated', async () => {
    const change = agentChange(project, (root) => put(root, 'a.txt', 'x\n'))
    const plan = await planned(repo, change.request)
    change.land()

    const [first, second] = [await repo.write(change.request, plan), await repo.write(change.request, plan)]

    expect(git(project, 'rev-parse', `${first}^{tree}`)).toBe(git(project, 'rev-parse', `${second}^{tree}`))
  })

  it.each([
    ['committed', () => git(project, 'commit', '-q', '--allow-empty', '-m', 'theirs')],
    ['went to another branch', () => git(project, 'checkout', '-q', '-b', 'other')],
    ['detached HEAD', () => git(project, 'checkout', '-q', '--detach')],
  ])('changes nothing when somebody %s meanwhile', async (_, theirs) => {
    const change = agentChange(project, (root) => put(root, 'a.txt', 'x\n'))
    const { commit, plan } = await written(repo, change)
    theirs()
    const before = [git(project, 'for-each-ref'), head(project), git(project, 'ls-files', '-s')]

    expect(await repo.publish(change.request, plan, commit)).toBe('moved')
    expect([git(project, 'for-each-ref'), head(project), git(project, 'ls-files', '-s')]).toEqual(before)
  })

  it('leaves what somebody has staged as it is, and says so', async () => {
    edit(project, 'a.txt', 'line 28\n', 'staged\n')
    git(project, 'add', 'a.txt')
    const staged = git(project, 'ls-files', '-s', 'a.txt')

    const { commit } = await approve(
      repo,
      agentChange(project, (root) => {
        edit(root, 'a.txt', 'line 3\n', 'line three\n')
        put(root, 'docs/b.txt', 'approved\n')
      }),
    )

    expect(git(project, 'ls-files', '-s', 'a.txt')).toBe(staged)
    expect(git(project, 'show', `${commit}:a.txt`)).not.toContain('staged')
    expect(git(project, 'diff', '--cached', '--name-only')).toBe('a.txt\n')
    expect(warnings).toEqual([{ project_root: project, commit, reason: expect.stringContaining('"a.txt"') }])
  })

  it('waits for another git to let go of the index', async () => {
    const change = agentChange(project, (root) => put(root, 'a.txt', 'x\n'))
    const { commit, plan } = await written(repo, change)
    const lock = join(project, '.git/index.lock')
    writeFileSync(lock, '')

    const publishing = repo.publish(change.request, plan, commit)
    await until(() => head(project) === commit)
    unlinkSync(lock)

    expect(await publishing).toBe('ok')
    expect(status(project)).toBe('')
    expect(warnings).toEqual([])
  })

  it('reports an index that stays locked; the commit stands and a repeat mends it', async () => {
    const change = agentChange(project, (root) => put(root, 'a.txt', 'x\n'))
    const { commit, plan } = await written(repo, change)
    const lock = join(project, '.git/index.lock')
    writeFileSync(lock, '')
    onTestFinished(() => rmSync(lock, { force: true }))

    expect(await repo.publish(change.request, plan, commit)).toBe('ok')

    expect(head(project)).toBe(commit)
    expect(warnings).toEqual([
      expect.objectContaining({ commit, reason: expect.stringContaining('index.lock') }),
    ])
    unlinkSync(lock)
    expect(await repo.publish(change.request, plan, commit)).toBe('ok')
    expect(status(project)).toBe('')
  }, 15_000)

  it('holds although the index cannot be read, and says so', async () => {
    const change = agentChange(project, (root) => put(root, 'a.txt', 'x\n'))
    const { commit, plan } = await written(repo, change)
    put(project, '.git/index', 'broken')

    expect(await repo.publish(change.request, plan, commit)).toBe('ok')

    expect(head(project)).toBe(commit)
    expect(warnings).toHaveLength(1)
  })

  it('leaves no temporary index behind', async () => {
    const mine = (): string[] =>
      readdirSync(tmpdir()).filter((name) => name.startsWith('agent-manager-index-'))
    const before = mine()

    await approve(
      repo,
      agentChange(project, (root) => put(root, 'a.txt', 'x\n')),
    )

    expect(mine().filter((name) => !before.includes(name))).toEqual([])
  })
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('the condition did not come true in 5 s')
    await delay(10)
  }
}
