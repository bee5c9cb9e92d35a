/** Finds the repository that a project root lies in, and binds git to it. */
import { chown, mkdtemp, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { AppError } from '../../internal/errors.ts'
import { type Git, type GitSetup, gitFailure, gitIn } from './run-git.ts'

/** PATH, HOME and deadline of every git process. */
type Places = Pick<GitSetup, 'path' | 'home' | 'deadlineMs'>

export interface Repository {
  readonly toplevel: string
  /** From the top level to the project root: '' or `packages/a/`. */
  readonly prefix: string
  /** The git folder of this work tree (of a linked one: its own, not the common one). */
  readonly gitDir: string
  /** The hash of the tree without entries. */
  readonly emptyTree: string
  /** Only zeros: git's word for a thing that does not exist. */
  readonly nullHash: string
  /** Runs at the top level. */
  readonly git: Git
  /** Runs `work` with the path of an index file that does not exist yet and is removed afterwards. */
  withIndex<T>(work: (index: string) => Promise<T>): Promise<T>
}

/** Null where `projectRoot` is no folder in a git work tree. Throws when git itself fails there. */
export async function findRepository(places: Places, projectRoot: string): Promise<Repository | null> {
  const root = await realFolder(projectRoot)
  if (root === null) return null
  const here: GitSetup = { ...places, cwd: root, owner: null }
  const up = await wayUp(gitIn(here))
  if (up === null) return null

  const toplevel = resolve(root, up)
  const below = relative(toplevel, root)
  const gitDir = await pathFrom(gitIn(here), '--absolute-git-dir')
  const owner = await foreignOwner(await pathFrom(gitIn(here), '--git-common-dir'))
  const git = gitIn({ ...here, cwd: toplevel, owner })
  const emptyTree = (await git(['hash-object', '-t', 'tree', '--stdin'])).stdout.toString().trim()
  return {
    toplevel,
    prefix: below === '' ? '' : `${below}/`,
    gitDir,
    emptyTree,
    nullHash: '0'.repeat(emptyTree.length),
    git,
    withIndex: (work) => withIndex(owner, work),
  }
}

/** As findRepository, where a repository was there a moment ago. */
export async function requireRepository(places: Places, projectRoot: string): Promise<Repository> {
  const repository = await findRepository(places, projectRoot)
  if (repository === null) {
    throw new AppError('STATE_PROJECT_DIRTY', `${projectRoot} is no longer in a git work tree`)
  }
  return repository
}

async function realFolder(path: string): Promise<string | null> {
  try {
    const real = await realpath(path)
    return (await stat(real)).isDirectory() ? real : null
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
}

/** The way to the top level ('' or `../../`); it has no name in it, so no name can confuse the reading. */
async function wayUp(git: Git): Promise<string | null> {
  const args = ['rev-parse', '--is-inside-work-tree', '--show-cdup']
  const result = await git(args, { codes: [0, 128] })
  if (result.code === 128) {
    if (/not a git repository/i.test(result.stderr)) return null
    throw gitFailure(args, result)
  }
  const [inside, up = ''] = result.stdout.toString().split('\n')
  return inside === 'true' ? up : null
}

async function pathFrom(git: Git, option: string): Promise<string> {
  const { stdout } = await git(['rev-parse', '--path-format=absolute', option])
  return stdout.toString().replace(/\n$/, '')
}

/** As root, what git writes shall belong to whom the repository belongs, or they cannot use it any more. */
async function foreignOwner(gitDir: string): Promise<GitSetup['owner']> {
  const { uid, gid } = await stat(gitDir)
  return process.geteuid?.() === 0 && uid !== 0 ? { uid, gid } : null
}

async function withIndex<T>(owner: GitSetup['owner'], work: (index: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-manager-index-'))
  try {
    if (owner !== null) await chown(folder, owner.uid, owner.gid)
    return await work(join(folder, 'index'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
