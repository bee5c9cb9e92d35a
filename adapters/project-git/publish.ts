/** Moves the branch to the commit, then brings the repository's own index up to it. Repeatable. */
import { setTimeout as delay } from 'node:timers/promises'
import type { CommitPlan } from '../../internal/approval/project-port.ts'
import { AppError, messageOf } from '../../internal/errors.ts'
import { type Entry, indexEntries, indexInfo, sameEntry, treeEntries } from './entries.ts'
import { readHead, tipOf, treeOf } from './head.ts'
import { fromTop, list } from './project-paths.ts'
import type { Repository } from './repository.ts'
import { type GitResult, reasonOf } from './run-git.ts'

/** Another git holds a lock for the time of one command. */
const LOCK_DEADLINE_MS = 5_000
const LOCK_RETRY_MS = 100
const LOCKED = /\.lock['"]?: File exists|Unable to create '[^']*\.lock'/

/** Told when the commit stands but the index could not be brought up to it. */
type OnStaleIndex = (reason: string) => void

/**
 * `ok` also when the branch already holds `commit`. Throws STATE_PROJECT_DIRTY when another git keeps the ref
 * locked for longer than 5 s; nothing was changed then.
 */
export async function publishCommit(
  repository: Repository,
  plan: CommitPlan,
  commit: string,
  onStaleIndex: OnStaleIndex,
): Promise<'ok' | 'moved'> {
  if (commit === plan.head) return 'ok'
  const moved = (await contains(repository, plan, commit)) || (await moveRef(repository, plan, commit))
  if (!moved) return 'moved'
  try {
    await refreshIndex(repository, plan, commit, onStaleIndex)
  } catch (error) {
    // The commit stands whatever becomes of the index: that is for its owner to know, not a failure.
    onStaleIndex(messageOf(error))
  }
  return 'ok'
}

async function contains(repository: Repository, plan: CommitPlan, commit: string): Promise<boolean> {
  const tip = await tipOf(repository, plan.branch ?? 'HEAD')
  if (tip === repository.nullHash) return false
  const { code } = await repository.git(['merge-base', '--is-ancestor', commit, tip], { codes: [0, 1] })
  return code === 0
}

/** Compare and swap; false when HEAD is not where the plan saw it. */
async function moveRef(repository: Repository, plan: CommitPlan, commit: string): Promise<boolean> {
  const ref = plan.branch === null ? ['--no-deref', 'HEAD'] : [plan.branch]
  const args = ['update-ref', '-m', 'agent-manager: approved change', ...ref, commit, plan.head]
  let isMoved = false
  const result = await whileLocked(async () => {
    const now = await readHead(repository)
    isMoved = now.branch !== plan.branch || now.commit !== plan.head
    return isMoved ? null : await repository.git(args, { codes: [0, 1, 128] })
  })
  if (isMoved || result === null) return false
  if (result.code === 0) return true
  // Between the look and the swap somebody may have moved it; or the very same call may have won.
  if (await contains(repository, plan, commit)) return true
  if ((await readHead(repository)).commit !== plan.head) return false
  throw new AppError('STATE_PROJECT_DIRTY', `the branch could not be moved: ${reasonOf(result.stderr)}`)
}

/**
 * Sets the entries that nobody staged anything for, so that the project shows no change at the committed
 * paths. What somebody staged stays as it is.
 */
async function refreshIndex(
  repository: Repository,
  plan: CommitPlan,
  commit: string,
  onStaleIndex: OnStaleIndex,
): Promise<void> {
  const head = await readHead(repository)
  // On another branch by now: this index is none of ours.
  if (head.branch !== plan.branch) return
  const paths = fromTop(repository.prefix, [...plan.clean, ...plan.dirty])
  const before = await treeEntries(repository, treeOf(repository, plan.head), paths)
  const ours = await treeEntries(repository, commit, paths)
  const present = head.commit === commit ? ours : await treeEntries(repository, head.commit, paths)

  const isOurs = (path: string): boolean =>
    !sameEntry(before.get(path), ours.get(path)) && sameEntry(ours.get(path), present.get(path))
  const changed = paths.filter(isOurs)

  let left: string[] = []
  const result = await whileLocked(async () => {
    const staged = await indexEntries(repository, changed)
    const isAt = (path: string, entries: ReadonlyMap<string, Entry>): boolean => {
      const entry = staged.get(path)
      return entry !== 'unmerged' && sameEntry(entry, entries.get(path))
    }
    const stale = changed.filter((path) => !isAt(path, ours))
    left = stale.filter((path) => !isAt(path, before))
    const input = stale
      .filter((path) => isAt(path, before))
      // Removals first: a file may take the place of a folder.
      .sort((a, b) => Number(ours.has(a)) - Number(ours.has(b)))
      .map((path) => indexInfo(repository, path, ours.get(path)))
      .join('')
    if (input === '') return null
    return await repository.git(['update-index', '-z', '--index-info'], { input, codes: [0, 1, 128] })
  })
  if (result !== null && result.code !== 0) onStaleIndex(reasonOf(result.stderr))
  if (left.length > 0) onStaleIndex(`somebody has staged changes without the approved ones: ${list(left)}`)
}

/** Repeats `attempt` while another git holds the lock it needs; gives its last result. */
async function whileLocked(attempt: () => Promise<GitResult | null>): Promise<GitResult | null> {
  const deadline = performance.now() + LOCK_DEADLINE_MS
  for (;;) {
    const result = await attempt()
    const isLocked = result !== null && result.code !== 0 && LOCKED.test(result.stderr)
    if (!isLocked || performance.now() > deadline) return result
    await delay(LOCK_RETRY_MS)
  }
}
