/** Takes changes of the agent back: paths of the workspace get the content of the base again. */
import { lstat, rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import { type BaseGit, emptyIndex, inBase } from './base-git.ts'
import { splitNul } from './git.ts'

/**
 * Paths without a place to be put back (a file of somebody else's change lies where their folder has to be, or
 * the reverse) are left as they are.
 */
export async function restorePaths(base: BaseGit, baseTree: string, paths: readonly string[]): Promise<void> {
  const index = await emptyIndex(base, 'restore.index')
  await inBase(base, ['read-tree', baseTree], { index })
  const listed = splitNul(await inBase(base, ['ls-files', '-z', '--cached'], { index }))
  const inTree = new Set(listed.map((path) => Buffer.from(path, 'latin1').toString()))
  for (const path of paths.filter((each) => !inTree.has(each))) await removeAdded(base.workspace, path)
  const wanted: string[] = []
  for (const path of paths.filter((each) => inTree.has(each))) {
    if (await isFree(base.workspace, path)) wanted.push(`${path}\0`)
  }
  const args = ['checkout-index', '--force', '-z', '--stdin']
  await inBase(base, args, { index, input: Buffer.from(wanted.join('')) })
}

async function removeAdded(workspace: string, path: string): Promise<void> {
  if (!(await standsInFolders(workspace, path))) return
  await unlink(join(workspace, path)).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error
  })
  for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
    const removed = await rmdir(join(workspace, folder)).then(
      () => true,
      () => false, // not empty: it stays, and so do those above it
    )
    if (!removed) return
  }
}

/** Nothing but a file, a link or an empty folder stands where the file is to be, and only folders above it. */
async function isFree(workspace: string, path: string): Promise<boolean> {
  if (!(await standsInFolders(workspace, path))) return false
  const kind = await kindOf(join(workspace, path))
  if (kind !== 'folder') return true
  try {
    await rmdir(join(workspace, path))
    return true
  } catch (error) {
    if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) return false
    throw error
  }
}

async function standsInFolders(workspace: string, path: string): Promise<boolean> {
  for (let above = dirname(path); above !== '.'; above = dirname(above)) {
    if ((await kindOf(join(workspace, above))) === 'other') return false
  }
  return true
}

async function kindOf(path: string): Promise<'absent' | 'folder' | 'other'> {
  try {
    return (await lstat(path)).isDirectory() ? 'folder' : 'other'
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'absent'
    throw error
  }
}
