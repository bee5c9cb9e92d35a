/** The copy driver: where a sandbox's folders are, and the operations the service needs of them. */
import { lstat, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Driver, Made } from '../driver.ts'
import { badRequest, isErrno } from '../failure.ts'
import { type BaseGit, initBaseGit, readWorkspace, rulesFile } from '../git-base/base-git.ts'
import { createBaseOperations } from '../git-base/base-operations.ts'
import type { Git } from '../git-base/git.ts'
import { makePrivateGit } from '../git-base/private-git.ts'
import { readProjectGit, readTrackedIgnored } from '../git-base/project-git.ts'
import { restorePaths } from '../git-base/restore.ts'
import { effectiveRules, presentFiles, writeOuterRules } from '../git-base/start-rules.ts'
import type { SandboxFolders } from '../sandbox-folders.ts'
import { copyTree } from './copy-tree.ts'

const WORKSPACE = 'workspace'

/** @param deps `isRoot`: whether owners of files can be kept */
export function createCopyDriver(deps: { git: Git; folders: SandboxFolders; isRoot: boolean }): Driver {
  const { git, folders, isRoot } = deps
  const baseOf = (id: string): BaseGit => {
    return { git, dir: join(folders.of(id), 'base.git'), workspace: join(folders.of(id), WORKSPACE) }
  }
  const { reading, ...operations } = createBaseOperations({ git, baseOf, folderOf: folders.of, isRoot })
  return {
    ...operations,
    create: async (id, scope) => {
      await mkdir(folders.of(id), { recursive: true, mode: 0o700 })
      return create(baseOf(id), scope)
    },
    finishBase: () => Promise.reject(new Error('a copied sandbox has its base from the start')),
    readEarly: async () => null,
    // The copy stays where it is.
    start: async () => {},
    stop: async () => {},
    isMounted: (id) => isFolder(baseOf(id).workspace),
    read: async (id, baseTree) => {
      const base = baseOf(id)
      if (!(await isFolder(base.workspace))) throw badRequest('the workspace folder of the sandbox is gone')
      return reading(id, baseTree, await readWorkspace(base))
    },
    restore: (id, baseTree, paths) => restorePaths(baseOf(id), baseTree, paths),
    retire: folders.retire,
    remove: folders.remove,
  }
}

async function create(base: BaseGit, scope: string): Promise<Made> {
  const project = await readProjectGit(base.git, scope)
  const ignoreFiles = await copyTree(scope, base.workspace)
  await initBaseGit(base, project?.objectFormat ?? 'sha1', project?.objectsDir ?? null)
  const outer = await writeOuterRules(base, project)
  await writeFile(rulesFile(base), await effectiveRules(base, outer, ignoreFiles))
  const ignored = project === null ? [] : await readTrackedIgnored(base.git, scope)
  const baseTree = await readWorkspace(base, await presentFiles(base.workspace, ignored))
  if (project !== null) await makePrivateGit(base.git, project, base.workspace)
  const driver = { name: 'copy', version: '1.0' }
  return { driver, mergedDir: base.workspace, baseTree, baseCommit: project?.head ?? null }
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
