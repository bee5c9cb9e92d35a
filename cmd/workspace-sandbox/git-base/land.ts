/**
 * Brings files of the project from one content to another. Each file is written beside its place and renamed
 * over it, so a reader sees the old or the new file and never half of one. Not `git apply`: that can fail half
 * way through its writes, forgets owner and permission bits, and cannot be finished after a crash.
 */
import { randomUUID } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import {
  chmod,
  copyFile,
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import type { Change } from './changes.ts'

export interface Landing {
  /** Absolute real path of the project's folder. */
  readonly root: string
  readonly changes: readonly Change[]
  /** Folder that holds the wanted content of every added and modified path. */
  readonly staged: string
  /** Unique per sandbox; part of the temporary names. */
  readonly mark: string
  /** Whether owners can be kept: only root may give files away. */
  readonly keepOwners: boolean
}

/**
 * Idempotent: paths that already stand as wanted are written again. The caller has checked for drift.
 * @throws on the first path that cannot be written; earlier ones have landed
 */
export async function land(landing: Landing): Promise<void> {
  const gone = landing.changes.filter((change) => change.after === null)
  for (const change of gone) await removeFile(landing.root, change.path)
  for (const change of landing.changes) if (change.after !== null) await putFile(landing, change)
  for (const change of gone) await removeEmptyParents(landing.root, change.path)
}

/** Deletes temporary files a crash left beside the touched paths. */
export async function removeLeftovers(root: string, changes: readonly Change[], mark: string): Promise<void> {
  for (const folder of new Set(changes.map((change) => dirname(join(root, change.path))))) {
    const names = await readdir(folder).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
      throw error
    })
    for (const name of names)
      if (name.startsWith(temporaryPrefix(mark))) await rm(join(folder, name), { force: true })
  }
}

async function removeFile(root: string, path: string): Promise<void> {
  if (!(await standsInFolders(root, path))) return
  try {
    await unlink(join(root, path))
  } catch (error) {
    // Absent already, or a folder of files that land in the same go (EPERM on some systems).
    if (isErrno(error, 'ENOENT', 'EISDIR')) return
    if (isErrno(error, 'EPERM') && (await lstat(join(root, path))).isDirectory()) return
    throw error
  }
}

async function removeEmptyParents(root: string, path: string): Promise<void> {
  for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
    if (!(await standsInFolders(root, folder))) continue
    try {
      await rmdir(join(root, folder))
    } catch (error) {
      if (isErrno(error, 'ENOENT')) continue
      return // not empty, not a folder any more, or not ours to remove: it stays
    }
  }
}

/** False when the way to the path leads over a symlink: what lies behind it is not the project's. */
async function standsInFolders(root: string, path: string): Promise<boolean> {
  for (let above = dirname(path); above !== '.'; above = dirname(above)) {
    const info = await lstatOrNull(join(root, above))
    if (info === null || !info.isDirectory()) return false
  }
  return true
}

async function lstatOrNull(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

async function putFile(landing: Landing, change: Change): Promise<void> {
  const target = join(landing.root, change.path)
  const staged = join(landing.staged, change.path)
  const folder = dirname(target)
  const owner = await makeFolders(landing, folder)
  const old = await lstatOrNull(target)
  if (old?.isDirectory()) await removeEmptyFolders(target)
  const keep = old?.isFile() ? old : null
  const temporary = join(folder, `${temporaryPrefix(landing.mark)}${randomUUID()}`)
  try {
    if (change.after?.mode === '120000')
      await symlink(await readlink(staged, { encoding: 'buffer' }), temporary)
    else await writeTemporary(staged, temporary, permissions(change.after?.mode, keep, await lstat(staged)))
    if (landing.keepOwners) await lchown(temporary, (old ?? owner).uid, (old ?? owner).gid)
    if (landing.keepOwners && change.after?.mode !== '120000') {
      await chmod(temporary, permissions(change.after?.mode, keep, await lstat(staged))) // chown clears bits
    }
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function writeTemporary(staged: string, temporary: string, mode: number): Promise<void> {
  await copyFile(staged, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  const handle = await open(temporary, 'r')
  try {
    await handle.chmod(mode)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A file that is replaced keeps its permission bits; only the executable ones follow git's mode. */
function permissions(gitMode: string | undefined, keep: Stats | null, staged: Stats): number {
  if (keep === null) return staged.mode & 0o777
  const bits = keep.mode & 0o777
  if (gitMode !== '100755') return bits & ~0o111
  return bits | ((bits & 0o444) >> 2)
}

/** Makes missing folders with the owner of the one they lie in. @returns stat of the folder */
async function makeFolders(landing: Landing, folder: string): Promise<Stats> {
  const made = await lstatOrNull(folder)
  if (made?.isDirectory()) return made
  if (made !== null) throw new Error(`${folder} is not a folder`)
  if (folder.length <= landing.root.length) throw new Error(`${landing.root} is gone`)
  const owner = await makeFolders(landing, dirname(folder))
  await mkdir(folder)
  if (landing.keepOwners) await lchown(folder, owner.uid, owner.gid)
  return lstat(folder)
}

async function removeEmptyFolders(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await removeEmptyFolders(join(folder, name))
  await rmdir(folder)
}

const temporaryPrefix = (mark: string): string => `.sandbox-landing-${mark}-`
