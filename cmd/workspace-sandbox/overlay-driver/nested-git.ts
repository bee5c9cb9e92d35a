/**
 * Hides the pointers of submodules and linked work trees inside a project: a `.git` file there leads to the
 * project's own repository, where an agent's commit would land.
 */
import { lstat, readdir, readFile, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import { type Git, splitNul } from '../git-base/git.ts'

/** Submodules of submodules; deeper ones are left to the scan of the base. */
const MAX_DEPTH = 10
const SUBMODULE_PATHS = '^submodule\\..*\\.path$'

/** @param workspace absolute path of the mounted workspace  @param scope absolute path of the project's folder */
export async function hideKnownPointers(
  git: Git,
  of: { readonly workspace: string; readonly scope: string; readonly commonDir: string },
): Promise<void> {
  const folders = [...(await linkedWorkTrees(of.commonDir, of.scope)), ...(await submodules(git, of.scope))]
  for (const folder of folders) await hidePointer(of.workspace, folder)
}

/** Removes the folder's `.git` from the workspace when it is a file. @param folder relative: `a/b` */
export async function hidePointer(workspace: string, folder: string): Promise<void> {
  const steps = folder.split('/').filter((step) => step !== '' && step !== '.')
  if (steps.length === 0 || steps.includes('..')) return
  let place = workspace
  for (const step of steps) {
    place = join(place, step)
    // A link could lead out of the workspace.
    if ((await kindOf(place)) !== 'folder') return
  }
  if ((await kindOf(join(place, '.git'))) === 'file') await unlink(join(place, '.git'))
}

async function kindOf(path: string): Promise<'folder' | 'file' | 'other'> {
  try {
    const info = await lstat(path)
    if (info.isDirectory()) return 'folder'
    return info.isFile() ? 'file' : 'other'
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'other'
    throw error
  }
}

/** Work trees of the same repository below the scope, relative to it. */
async function linkedWorkTrees(commonDir: string, scope: string): Promise<string[]> {
  const found: string[] = []
  for (const name of await listOrNone(join(commonDir, 'worktrees'))) {
    const pointer = await readOrNull(join(commonDir, 'worktrees', name, 'gitdir'))
    const folder = pointer === null ? '' : dirname(pointer.replace(/\n$/, ''))
    if (folder.startsWith(`${scope}/`)) found.push(folder.slice(scope.length + 1))
  }
  return found
}

async function submodules(git: Git, scope: string, depth = 0): Promise<string[]> {
  if (depth >= MAX_DEPTH || (await kindOf(join(scope, '.gitmodules'))) !== 'file') return []
  const args = ['config', '--file', '.gitmodules', '--null', '--get-regexp', SUBMODULE_PATHS]
  // 3 and 128: the file is not well formed; then git knows no submodules either.
  const { stdout } = await git({ cwd: scope, args, okCodes: [0, 1, 3, 128] })
  const paths = splitNul(stdout).map((each) =>
    Buffer.from(each.slice(each.indexOf('\n') + 1), 'latin1').toString(),
  )
  const inner = await Promise.all(
    paths
      .filter((path) => !path.split('/').includes('..'))
      .map(async (path) =>
        (await submodules(git, join(scope, path), depth + 1)).map((each) => `${path}/${each}`),
      ),
  )
  return [...paths, ...inner.flat()]
}

async function listOrNone(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

async function readOrNull(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return null
    throw error
  }
}
