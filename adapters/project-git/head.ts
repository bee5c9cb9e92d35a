/** HEAD: where it is, and what stands in the way of moving it. */
import type { Repository } from './repository.ts'
import { workTreeAt } from './work-tree.ts'

interface Head {
  /** The commit; only zeros while there is none. */
  readonly commit: string
  /** The branch (`refs/heads/x`); null on a detached HEAD. */
  readonly branch: string | null
}

/** Files in the git folder that say what is going on, and its name for a person. */
const IN_PROGRESS: readonly (readonly [string, string])[] = [
  ['MERGE_HEAD', 'merge'],
  ['rebase-merge', 'rebase'],
  ['rebase-apply/applying', 'git am'],
  ['rebase-apply', 'rebase'],
  ['CHERRY_PICK_HEAD', 'cherry-pick'],
  ['REVERT_HEAD', 'revert'],
  ['sequencer', 'cherry-pick or revert'],
  ['BISECT_LOG', 'bisect'],
]

/** What the reader has begun and not ended, or null. */
export async function inProgress({ gitDir }: Repository): Promise<string | null> {
  const folder = workTreeAt(gitDir)
  for (const [file, what] of IN_PROGRESS) {
    if ((await folder.at(file)) !== 'nothing') return what
  }
  return null
}

export async function readHead(repository: Repository): Promise<Head> {
  const { code, stdout } = await repository.git(['symbolic-ref', '-q', 'HEAD'], { codes: [0, 1] })
  const branch = code === 0 ? stdout.toString().trim() : null
  return { branch, commit: await tipOf(repository, branch ?? 'HEAD') }
}

/** The commit that a ref points to; zeros when it does not exist. */
export async function tipOf(repository: Repository, ref: string): Promise<string> {
  const { code, stdout } = await repository.git(['rev-parse', '-q', '--verify', `${ref}^{commit}`], {
    codes: [0, 1],
  })
  return code === 0 ? stdout.toString().trim() : repository.nullHash
}

/** A tree-ish for a commit that may not exist yet. */
export function treeOf(repository: Repository, commit: string): string {
  return commit === repository.nullHash ? repository.emptyTree : commit
}
