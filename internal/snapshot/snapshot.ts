/**
 * The files that a run had changed when a turn ended, whole, with their modes: read from the folder where nobody
 * works any more, and written into a fresh one. Paths are a sandbox's own words: nothing is read or written
 * through a link.
 */
import { constants } from 'node:fs'
import { chmod, lstat, mkdir, open, readlink, rmdir, symlink, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { SandboxFile } from '../sandbox/port.ts'

/** As git names the kinds that it keeps. */
export type FileMode = '100644' | '100755' | '120000'

export interface SnapshotFile {
  /** Relative to the project root. */
  readonly path: string
  /** null: it was deleted. */
  readonly mode: FileMode | null
  /** Bytes of the file, or the target of the link; empty where it was deleted. */
  readonly content: Buffer
}

/** All files of a turn together; beyond it nothing is kept of the turn. */
export const MAX_SNAPSHOT_BYTES = 32 * 1024 * 1024
export const MAX_SNAPSHOT_FILES = 10_000

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants

/** A file that cannot be kept or put in place, in words for the log. */
export class SnapshotError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SnapshotError'
  }
}

/** @param root where the agent worked; nobody writes there any more. @throws SnapshotError */
export async function readSnapshot(
  root: string,
  files: readonly SandboxFile[],
  maxBytes: number = MAX_SNAPSHOT_BYTES,
): Promise<SnapshotFile[]> {
  if (files.length > MAX_SNAPSHOT_FILES)
    throw new SnapshotError(`${files.length} files changed; at most ${MAX_SNAPSHOT_FILES} are kept`)
  const kept: SnapshotFile[] = []
  let bytes = 0
  for (const { path, changeType } of files) {
    checkPath(path)
    const file = changeType === 'deleted' ? deleted(path) : await readOne(root, path, maxBytes - bytes)
    bytes += file.content.length
    kept.push(file)
  }
  return kept
}

const deleted = (path: string): SnapshotFile => ({ path, mode: null, content: Buffer.alloc(0) })

async function readOne(root: string, path: string, room: number): Promise<SnapshotFile> {
  await checkFolders(root, path)
  const full = join(root, path)
  const info = await lstat(full)
  if (info.isSymbolicLink()) return { path, mode: '120000', content: await readlink(full, 'buffer') }
  if (!info.isFile()) throw new SnapshotError(`${path} is neither a file nor a link`)
  if (info.size > room) throw new SnapshotError(`the changed files are too large to keep (${path})`)
  const handle = await open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const content = await handle.readFile()
    if (content.length > room) throw new SnapshotError(`the changed files are too large to keep (${path})`)
    return { path, mode: (info.mode & 0o100) === 0 ? '100644' : '100755', content }
  } finally {
    await handle.close()
  }
}

/**
 * Makes the files of a fresh folder what they were. Doing it again, or after it was cut, gives the same.
 * @throws SnapshotError where the folder has something else in the way
 */
export async function writeSnapshot(root: string, files: readonly SnapshotFile[]): Promise<void> {
  // What is gone may be a folder's link, or a file where a folder is to be.
  for (const { path, mode } of files) if (mode === null) await removeOne(root, path)
  for (const file of files) if (file.mode !== null) await writeOne(root, file, file.mode)
}

async function removeOne(root: string, path: string): Promise<void> {
  checkPath(path)
  try {
    await checkFolders(root, path)
    await unlink(join(root, path))
  } catch (error) {
    if (!isAbsent(error)) throw error
    return // it is not there, and neither, perhaps, is its folder
  }
  await removeEmpty(root, dirname(path))
}

/** Folders are there by what is in them. */
async function removeEmpty(root: string, folder: string): Promise<void> {
  if (folder === '.') return
  try {
    await rmdir(join(root, folder))
  } catch {
    return // something else is in it
  }
  await removeEmpty(root, dirname(folder))
}

async function writeOne(root: string, { path, content }: SnapshotFile, mode: FileMode): Promise<void> {
  checkPath(path)
  await makeFolders(root, path)
  const full = join(root, path)
  await clear(full, path)
  if (mode === '120000') return symlink(content, full)
  const handle = await open(full, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    await handle.writeFile(content)
  } finally {
    await handle.close()
  }
  await chmod(full, mode === '100755' ? 0o755 : 0o644)
}

async function clear(full: string, path: string): Promise<void> {
  const there = await lstat(full).catch(() => null) // absent
  if (there === null) return
  if (!there.isDirectory()) return unlink(full)
  throw new SnapshotError(`${path} is a folder in the project now`)
}

/** Relative, without steps upwards, and never git's own data. */
function checkPath(path: string): void {
  const parts = path.split('/')
  const isBad = parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'))
  if (isBad || parts.some((part) => part.toLowerCase() === '.git'))
    throw new SnapshotError(`${path} is no path inside a project`)
}

/** Every folder on the way is one, not a link. @throws with ENOENT where one is missing */
async function checkFolders(root: string, path: string): Promise<void> {
  for (const folder of foldersOf(root, path)) {
    if (!(await lstat(folder)).isDirectory()) throw new SnapshotError(`${path} lies behind a link or a file`)
  }
}

async function makeFolders(root: string, path: string): Promise<void> {
  for (const folder of foldersOf(root, path)) {
    const there = await lstat(folder).catch(() => null) // absent
    if (there === null) await mkdir(folder)
    else if (!there.isDirectory()) throw new SnapshotError(`${path} lies behind a link or a file`)
  }
}

/** From the outermost inwards. */
function foldersOf(root: string, path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => join(root, ...parts.slice(0, index + 1)))
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
