/** The copy driver: where a sandbox's folders are, and the operations the service needs of them. */
import { randomUUID } from 'node:crypto'
import { lstat, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { badRequest, isErrno } from '../failure.ts'
import { type BaseGit, inBase, initBaseGit, readWorkspace, rulesFile } from './base-git.ts'
import { type Change, readBinaryPaths, readChanges, readSizes, treeWith } from './changes.ts'
import { copyTree } from './copy-tree.ts'
import { type Git, splitNul } from './git.ts'
import { landStep } from './landing-step.ts'
import { formatPatch } from './patch-format.ts'
import { makePrivateGit } from './private-git.ts'
import { readProjectGit } from './project-git.ts'
import { moveAside, removeForGood } from './remove-tree.ts'
import { effectiveRules, presentFiles } from './start-rules.ts'

export interface Made {
  readonly mergedDir: string
  /** Tree of what the agent found. */
  readonly baseTree: string
  readonly baseCommit: string | null
}

export interface Reading {
  readonly tree: string
  readonly changes: readonly Change[]
  /** Size in bytes by object id, for added and modified files. */
  readonly sizes: ReadonlyMap<string, number>
}

export type Driver = ReturnType<typeof createCopyDriver>

const TRASH = '.trash-'

/** @param deps `baseDir` is an absolute real path; `isRoot`: whether owners of files can be kept */
export function createCopyDriver(deps: { git: Git; baseDir: string; isRoot: boolean }) {
  const { git, baseDir } = deps
  const folderOf = (id: string) => join(baseDir, id)
  const baseOf = (id: string): BaseGit => {
    return { git, dir: join(folderOf(id), 'base.git'), workspace: join(folderOf(id), 'workspace') }
  }
  /** The folder vanishes for everybody at once. @returns where it lies now, or null when it was absent */
  const retire = (id: string) => moveAside(folderOf(id), join(baseDir, `${TRASH}${randomUUID()}`))
  return {
    name: 'copy' as const,
    version: '1.0',
    create: async (id: string, scope: string) => {
      await mkdir(folderOf(id), { recursive: true, mode: 0o700 })
      return create(baseOf(id), scope)
    },
    read: (id: string, baseTree: string) => read(baseOf(id), baseTree),
    patch: (id: string, from: string, to: string, prefix: string) => patch(baseOf(id), from, to, prefix),
    landStep: (id: string, scope: string, from: string, to: string, resumed: boolean) => {
      const place = { base: baseOf(id), folder: folderOf(id), mark: id, keepOwners: deps.isRoot }
      return landStep({ ...place, scope, from, to, resumed })
    },
    committedSince: (scope: string, baseCommit: string | null) => committedSince(git, scope, baseCommit),
    changesBetween: (id: string, from: string, to: string) => readChanges(baseOf(id), from, to),
    binaryPaths: (id: string, from: string, to: string) => readBinaryPaths(baseOf(id), from, to),
    treeWith: (id: string, from: string, changes: readonly Change[]) => treeWith(baseOf(id), from, changes),
    isMounted: isFolder,
    retire,
    remove: async (id: string) => {
      const trash = await retire(id)
      if (trash !== null) await removeForGood(trash)
    },
    /** Removes what was retired and not removed: large folders take a while. */
    sweepTrash: async () => {
      for (const name of await readdir(baseDir)) {
        if (name.startsWith(TRASH)) await removeForGood(join(baseDir, name))
      }
    },
  }
}

async function create(base: BaseGit, scope: string): Promise<Made> {
  const project = await readProjectGit(base.git, scope)
  const ignoreFiles: string[] = []
  await copyTree(scope, base.workspace, (path) => ignoreFiles.push(path))
  await initBaseGit(base, project?.objectFormat ?? 'sha1', project?.objectsDir ?? null)
  await writeFile(rulesFile(base), await effectiveRules(base, project, ignoreFiles))
  const alwaysIn = await presentFiles(base.workspace, project?.trackedIgnored ?? [])
  const baseTree = await readWorkspace(base, alwaysIn)
  if (project !== null) await makePrivateGit(base.git, project, base.workspace)
  return { mergedDir: base.workspace, baseTree, baseCommit: project?.head ?? null }
}

async function read(base: BaseGit, baseTree: string): Promise<Reading> {
  if (!(await isFolder(base.workspace))) throw badRequest('the workspace folder of the sandbox is gone')
  const tree = await readWorkspace(base)
  const changes = await readChanges(base, baseTree, tree)
  const sizes = await readSizes(
    base,
    changes.flatMap((each) => (each.after === null ? [] : [each.after.oid])),
  )
  return { tree, changes, sizes }
}

/** The unified diff between two trees. @param prefix put before each path */
async function patch(base: BaseGit, from: string, to: string, prefix: string): Promise<string> {
  const changes = await readChanges(base, from, to)
  const format = ['--no-renames', '--no-ext-diff', '--no-textconv', '--no-color', '--full-index', '-U3']
  const text = await inBase(base, ['diff-tree', '-r', '-p', ...format, from, to])
  return Buffer.from(formatPatch(text.toString('latin1'), changes, prefix), 'latin1').toString('utf8')
}

/** Paths whose committed content differs between the base commit and the project's HEAD now. */
async function committedSince(
  git: Git,
  scope: string,
  baseCommit: string | null,
): Promise<ReadonlySet<string>> {
  const project = baseCommit === null ? null : await readProjectGit(git, scope)
  if (baseCommit === null || !project?.head || project.head === baseCommit) return new Set()
  const args = ['--no-optional-locks', 'diff-tree', '-r', '-z', '--name-only', '--no-renames', '--relative']
  // 128: the base commit was collected meanwhile; then nothing can be said.
  const result = await git({ cwd: scope, args: [...args, baseCommit, project.head], okCodes: [0, 128] })
  return new Set(splitNul(result.stdout).map((path) => Buffer.from(path, 'latin1').toString()))
}

/** A link in its place is not the folder we made. */
async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return false
    throw error
  }
}
