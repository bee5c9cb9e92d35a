/**
 * Copies a folder for an agent: modes, times and symlinks kept (symlinks never followed), special files
 * skipped, and no `.git` at any depth, because a nested one can point back at the project's own repository.
 * Names are handled as bytes: not every file name is valid UTF-8.
 */
import { constants, type Dirent } from 'node:fs'
import { chmod, copyFile, lstat, lutimes, mkdir, readdir, readlink, symlink, utimes } from 'node:fs/promises'
import { isErrno } from '../failure.ts'

const PARALLEL_FILES = 16
const SLASH = Buffer.from('/')
const GIT = Buffer.from('.git')

/**
 * @param from absolute path of an existing folder
 * @param to absolute path of a folder that does not exist yet
 * @param seeIgnoreFile called with the path, relative to `from`, of each `.gitignore`
 */
export async function copyTree(
  from: string,
  to: string,
  seeIgnoreFile: (path: string) => void,
): Promise<void> {
  await copyFolder(Buffer.from(from), Buffer.from(to), Buffer.alloc(0), seeIgnoreFile)
}

async function copyFolder(
  from: Buffer,
  to: Buffer,
  relative: Buffer,
  seeIgnoreFile: (path: string) => void,
): Promise<void> {
  const info = await lstat(from)
  await mkdir(to, { mode: 0o700 })
  const entries = (await readdir(from, { withFileTypes: true, encoding: 'buffer' })).filter(
    (entry) => !entry.name.equals(GIT),
  )
  const plain = entries.filter((entry) => !entry.isDirectory())
  for (let start = 0; start < plain.length; start += PARALLEL_FILES) {
    const batch = plain.slice(start, start + PARALLEL_FILES)
    await Promise.all(
      batch.map((entry) => copyEntry(entry, inside(from, entry.name), inside(to, entry.name))),
    )
  }
  for (const entry of plain) {
    if (entry.isFile() && entry.name.toString() === '.gitignore') {
      seeIgnoreFile(below(relative, entry.name).toString())
    }
  }
  for (const entry of entries.filter((each) => each.isDirectory())) {
    const path = below(relative, entry.name)
    await unlessVanished(copyFolder(inside(from, entry.name), inside(to, entry.name), path, seeIgnoreFile))
  }
  // Last, because a read-only folder could not have been filled and each new entry moves the time.
  await chmod(to, info.mode & 0o7777)
  await utimes(to, info.atimeMs / 1000, info.mtimeMs / 1000)
}

async function copyEntry(entry: Dirent<Buffer>, from: Buffer, to: Buffer): Promise<void> {
  if (entry.isSymbolicLink()) return unlessVanished(copyLink(from, to))
  if (entry.isFile()) return unlessVanished(copyPlainFile(from, to))
}

async function copyLink(from: Buffer, to: Buffer): Promise<void> {
  const info = await lstat(from)
  await symlink(await readlink(from, { encoding: 'buffer' }), to)
  await lutimes(to, info.atimeMs / 1000, info.mtimeMs / 1000)
}

async function copyPlainFile(from: Buffer, to: Buffer): Promise<void> {
  const info = await lstat(from)
  if (!info.isFile()) return // became something else since the listing
  await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  await utimes(to, info.atimeMs / 1000, info.mtimeMs / 1000)
}

/** A file that its owner deletes while we copy is simply not part of the copy. */
async function unlessVanished(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
}

const inside = (folder: Buffer, name: Buffer): Buffer => Buffer.concat([folder, SLASH, name])

const below = (relative: Buffer, name: Buffer): Buffer =>
  relative.length === 0 ? name : inside(relative, name)
