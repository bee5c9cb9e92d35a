/**
 * The work of one copying thread. Everything waits for the file system here: a call that waits costs a third of one
 * that goes through the event loop. Paths are strings of bytes (latin1): not every file name is valid UTF-8.
 */
import {
  chmodSync,
  constants,
  copyFileSync,
  type Dirent,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { isErrno } from '../failure.ts'

export interface Portion {
  /** Absolute paths. */
  readonly from: string
  readonly to: string
  /** Relative; the folder each lies in has been made already. `''` is the whole. */
  readonly folders: readonly string[]
}

export interface Copied {
  /** Folders that were met and left for another portion. */
  readonly left: readonly string[]
  readonly made: readonly MadeFolder[]
  /** Relative paths of the `.gitignore` files. */
  readonly ignoreFiles: readonly string[]
}

/** Still without mode and times: a read-only folder could not be filled, and each new entry moves the time. */
export interface MadeFolder {
  /** Absolute. */
  readonly path: string
  readonly mode: number
  /** Seconds since 1970. */
  readonly accessed: number
  readonly modified: number
}

/** What is copied before the rest is handed back, in files; a tenth of a second or so. */
const ENOUGH_FILES = 1_000
/** Copying so many bytes takes as long as making a file. */
const BYTES_PER_FILE = 64 * 1024
const LISTING = { withFileTypes: true, encoding: 'buffer' } as const

/** Copies files and links of the folders and of what lies below them, until that is enough. */
export function copyPortion(portion: Portion): Copied {
  const copied = { left: [...portion.folders], made: [], ignoreFiles: [] }
  let work = 0
  while (work < ENOUGH_FILES) {
    const path = copied.left.pop()
    if (path === undefined) break
    work += copyFolder(portion, path, copied)
  }
  return copied
}

/** @returns how much work it was, in files */
function copyFolder(
  { from, to }: Portion,
  path: string,
  copied: { left: string[]; made: MadeFolder[]; ignoreFiles: string[] },
): number {
  const [source, target, isRoot] = [below(from, path), below(to, path), path === '']
  const folder = unlessVanished(() => makeFolder(source, target), isRoot)
  if (folder === null) return 1
  copied.made.push(folder)
  let work = 1
  for (const entry of unlessVanished(() => readdirSync(bytes(source), LISTING), isRoot) ?? []) {
    const name = entry.name.toString('latin1')
    if (name === '.git') continue
    if (entry.isDirectory()) {
      copied.left.push(below(path, name))
      continue
    }
    work += 1 + copyEntry(entry, bytes(below(source, name)), bytes(below(target, name))) / BYTES_PER_FILE
    if (entry.isFile() && name === '.gitignore') copied.ignoreFiles.push(below(path, name))
  }
  return work
}

/** @param folders every folder before the one it lies in */
export function finishFolders(folders: readonly MadeFolder[]): void {
  for (const { path, mode, accessed, modified } of folders) {
    chmodSync(bytes(path), mode)
    utimesSync(bytes(path), accessed, modified)
  }
}

/** @returns null when something else stands there since it was listed */
function makeFolder(from: string, to: string): MadeFolder | null {
  const info = lstatSync(bytes(from))
  if (!info.isDirectory()) return null
  mkdirSync(bytes(to), { mode: 0o700 })
  const times = { accessed: info.atimeMs / 1000, modified: info.mtimeMs / 1000 }
  return { path: to, mode: info.mode & 0o7777, ...times }
}

/** Sockets, devices and pipes are left out. @returns bytes copied */
function copyEntry(entry: Dirent<Buffer>, from: Buffer, to: Buffer): number {
  if (entry.isSymbolicLink()) return unlessVanished(() => copyLink(from, to)) ?? 0
  if (entry.isFile()) return unlessVanished(() => copyPlainFile(from, to)) ?? 0
  return 0
}

function copyLink(from: Buffer, to: Buffer): number {
  const info = lstatSync(from)
  symlinkSync(readlinkSync(from, { encoding: 'buffer' }), to)
  lutimesSync(to, info.atimeMs / 1000, info.mtimeMs / 1000)
  return 0
}

function copyPlainFile(from: Buffer, to: Buffer): number {
  const info = lstatSync(from)
  if (!info.isFile()) return 0 // became something else since the listing
  copyFileSync(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  utimesSync(to, info.atimeMs / 1000, info.mtimeMs / 1000)
  return info.size
}

/** What its owner deletes while we copy is simply not part of the copy. */
function unlessVanished<T>(work: () => T, required = false): T | null {
  try {
    return work()
  } catch (error) {
    if (required || !isErrno(error, 'ENOENT')) throw error
    return null
  }
}

const bytes = (path: string): Buffer => Buffer.from(path, 'latin1')

const below = (folder: string, name: string): string => {
  if (name === '') return folder
  return folder === '' ? name : `${folder}/${name}`
}
