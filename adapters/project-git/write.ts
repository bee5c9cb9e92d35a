/** After landing: the commit object. It is built beside the repository's index, and no ref moves. */
import type { CommitPlan, CommitRequest } from '../../internal/approval/project-port.ts'
import { AppError } from '../../internal/errors.ts'
import { parseAuthor } from './author.ts'
import { indexInfo } from './entries.ts'
import { treeOf } from './head.ts'
import { fromTop, list } from './project-paths.ts'
import type { Repository } from './repository.ts'
import { applySections, changedNames } from './reviewed-patch.ts'
import { workTreeAt } from './work-tree.ts'

/**
 * The hash of a new commit on top of `plan.head`; `plan.head` itself when nothing would change in it.
 * @param now seconds since 1970
 */
export async function writeCommit(
  repository: Repository,
  request: CommitRequest,
  plan: CommitPlan,
  now: number,
): Promise<string> {
  const { git, prefix, withIndex } = repository
  const base = treeOf(repository, plan.head)
  const author = parseAuthor(request.author)
  const tree = await withIndex(async (index) => {
    await git(['read-tree', base], { index })
    await takeFromWorkTree(repository, index, fromTop(prefix, plan.clean))
    if (plan.dirty.length > 0) {
      const fits = await applySections(repository, index, { patch: request.patch, prefix }, plan.dirty)
      if (!fits) throw conflict(`the reviewed patch no longer applies at ${list(plan.dirty)}`)
    }
    return (await git(['write-tree'], { index })).stdout.toString().trim()
  })

  const changed = await changedNames(repository, base, { tree })
  if (changed.length === 0) return plan.head
  const allowed = new Set(fromTop(prefix, [...plan.clean, ...plan.dirty]))
  const extra = changed.filter((path) => !allowed.has(path))
  if (extra.length > 0) throw conflict(`the commit would change ${list(extra)}, which nobody approved`)

  const parent = plan.head === repository.nullHash ? [] : ['-p', plan.head]
  const date = `@${now} +0000`
  const { stdout } = await git(['commit-tree', '--no-gpg-sign', ...parent, '-F', '-', tree], {
    input: request.message,
    env: {
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.mail,
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_DATE: date,
    },
  })
  return stdout.toString().trim()
}

/**
 * The landed files through git's filters. What is gone is removed by name: git would refuse a path whose
 * folder has become a symlink, and must not follow it.
 */
async function takeFromWorkTree(repository: Repository, index: string, paths: string[]): Promise<void> {
  const workTree = workTreeAt(repository.toplevel)
  const present: string[] = []
  const gone: string[] = []
  for (const path of paths) ((await workTree.at(path)) === 'file' ? present : gone).push(path)

  const removals = gone.map((path) => indexInfo(repository, path, undefined)).join('')
  await repository.git(['update-index', '-z', '--index-info'], { index, input: removals })
  const input = present.map((path) => `${path}\0`).join('')
  await repository.git(['update-index', '--add', '--replace', '-z', '--stdin'], { index, input })
}

function conflict(message: string): AppError {
  return new AppError('STATE_PROJECT_DIRTY', message)
}
