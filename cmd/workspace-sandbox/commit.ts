/**
 * Commits what a landing wrote, and nothing else: the commit is put together in an index of its own, on top of
 * HEAD, so that what somebody has staged stays staged. No hook runs and nothing is signed.
 */
import { lstat, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { badRequest, isErrno, ServiceFailure } from './failure.ts'
import { firstLine, type Git, joinNul } from './git-base/git.ts'
import { readProjectGit } from './git-base/project-git.ts'

const UNFINISHED = ['MERGE_HEAD', 'CHERRY_PICK_HEAD', 'REVERT_HEAD', 'rebase-merge', 'rebase-apply']
const MAIL = 'noreply@workspace-sandbox.local'

export interface CommitWish {
  /** Absolute real path of the scope. */
  readonly folder: string
  /** Relative to the folder. */
  readonly paths: readonly string[]
  readonly message: string
  /** Free text; the mail address is always this service's. */
  readonly author: string
}

/** Asked before anything lands. @throws ServiceFailure 400 outside git, 409 in the middle of a merge */
export async function refuseUncommittable(git: Git, folder: string): Promise<void> {
  const inside = await git({ cwd: folder, args: ['rev-parse', '--absolute-git-dir'], okCodes: [0, 128] })
  if (inside.code !== 0) throw badRequest('createCommit needs a project in a git work tree')
  const gitDir = firstLine(inside.stdout)
  for (const name of UNFINISHED) {
    if (await exists(join(gitDir, name))) {
      throw new ServiceFailure(409, `cannot commit in the project: ${name} exists in its git folder`, {
        hint: 'finish or abort what is under way in the project, or approve without createCommit',
      })
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

/**
 * @returns the new commit, and an error when the project's own index could not follow
 * @throws Error when there is no commit
 */
export async function commitPaths(
  git: Git,
  wish: CommitWish,
): Promise<{ commitHash: string; error?: string }> {
  const scratch = await mkdtemp(join(tmpdir(), 'workspace-sandbox-commit-'))
  try {
    // The project's own line-end settings decide what a commit holds, as they do for `git add`.
    const settings = (await readProjectGit(git, wish.folder))?.settings ?? []
    const filters = settings.flatMap(([key, value]) => ['-c', `${key}=${value}`])
    const run = async (
      args: readonly string[],
      more: { env?: Record<string, string>; input?: Buffer } = {},
    ) => firstLine((await git({ cwd: wish.folder, args: [...filters, ...args], ...more })).stdout)
    const commitHash = await makeCommit(git, run, wish, join(scratch, 'index'))
    try {
      await run(UPDATE, { input: joinPaths(wish.paths) })
      return { commitHash }
    } catch (error) {
      return { commitHash, error: `committed, but the project's index shows the old files: ${String(error)}` }
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

type Run = (
  args: readonly string[],
  more?: { env?: Record<string, string>; input?: Buffer },
) => Promise<string>

const UPDATE = ['update-index', '--add', '--remove', '--replace', '-z', '--stdin']

async function makeCommit(git: Git, run: Run, wish: CommitWish, index: string): Promise<string> {
  const asked = await git({
    cwd: wish.folder,
    args: ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'],
    okCodes: [0, 1],
  })
  const head = firstLine(asked.stdout)
  const env = { GIT_INDEX_FILE: index }
  if (head !== '') await run(['read-tree', head], { env })
  await run(UPDATE, { env, input: joinPaths(wish.paths) })
  const tree = await run(['write-tree'], { env })
  if (head !== '' && tree === (await run(['rev-parse', `${head}^{tree}`]))) {
    throw new Error('the files are as in the last commit already')
  }
  const parents = head === '' ? [] : ['-p', head]
  const author = { GIT_AUTHOR_NAME: authorName(wish.author), GIT_AUTHOR_EMAIL: MAIL }
  const commit = await run(['commit-tree', tree, ...parents, '-F', '-'], {
    env: author,
    input: Buffer.from(`${wish.message.trimEnd()}\n`),
  })
  // Only when nobody committed meanwhile.
  await run([
    'update-ref',
    '-m',
    'workspace-sandbox: approved changes',
    'HEAD',
    commit,
    head || '0'.repeat(40),
  ])
  return commit
}

const joinPaths = (paths: readonly string[]): Buffer =>
  joinNul(paths.map((path) => Buffer.from(path).toString('latin1')))

/** Git refuses a name without a letter, and one with these signs is cut by it anyway. */
function authorName(owner: string): string {
  const clean = owner.replace(/[\p{Cc}<>]+/gu, ' ').trim()
  return /[\p{L}\p{N}]/u.test(clean) ? clean : 'workspace-sandbox'
}
