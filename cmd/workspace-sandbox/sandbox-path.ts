/**
 * Reaches a path inside a sandbox's folder without ever leaving it. Each folder on the way is opened without
 * following links and the next step starts at the open folder, so an agent that swaps a folder for a link in
 * that moment gains nothing. Links are followed by hand, as long as they stay inside.
 */
import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readlink } from 'node:fs/promises'
import { isAbsolute, posix, relative } from 'node:path'
import process from 'node:process'
import { badRequest, isErrno, ServiceFailure } from './failure.ts'

const MAX_LINKS = 40
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants

/** A place in the sandbox, held open while it is worked on. */
export interface Spot {
  /** Path of the folder it lies in, through the open folder: join with `/` and the name. */
  readonly folder: string
  /** `.` for the workspace itself. */
  readonly name: string
  /** Of the place itself, not of what a link there leads to; null when nothing is there. */
  readonly info: Stats | null
}

interface Options {
  /** Make missing folders on the way. */
  readonly makeFolders: boolean
  /** Whether a link at the very end is followed too. */
  readonly followLast: boolean
}

interface Folder {
  readonly handle: FileHandle
  readonly path: string
}

/** @param path of a request. @returns the names on the way. @throws ServiceFailure 400 */
export function segmentsOf(path: string): string[] {
  if (path.includes('\0')) throw badRequest('a path cannot hold a NUL byte')
  const clean = posix.normalize(path.replace(/^\/+/, '') || '.')
  if (clean === '..' || clean.startsWith('../')) throw badRequest('path traversal not allowed')
  return clean.split('/').filter((name) => name !== '' && name !== '.')
}

/**
 * @param root absolute real path of the sandbox's folder
 * @throws ServiceFailure 400 when the way leads out of the sandbox or over a file, 404 when a folder is missing
 */
export async function atPath<T>(
  root: string,
  path: string,
  options: Options,
  work: (spot: Spot) => Promise<T>,
): Promise<T> {
  try {
    let segments = segmentsOf(path)
    for (let links = 0; links <= MAX_LINKS; links += 1) {
      const step = await walk(root, segments, options, work)
      if (step.done) return step.value
      segments = followed(root, step)
    }
  } catch (error) {
    throw asRefusal(error, path)
  }
  throw badRequest(`too many symlinks on the way to ${path}`)
}

interface Link {
  readonly done: false
  readonly before: readonly string[]
  readonly target: string
  readonly after: readonly string[]
}

async function walk<T>(
  root: string,
  segments: readonly string[],
  options: Options,
  work: (spot: Spot) => Promise<T>,
): Promise<Link | { done: true; value: T }> {
  let folder = await openFolder(root)
  try {
    for (const [at, name] of segments.entries()) {
      const isLast = at === segments.length - 1
      const info = await lstatOrNull(`${folder.path}/${name}`)
      if (info?.isSymbolicLink() && (!isLast || options.followLast)) {
        const target = await readlink(`${folder.path}/${name}`)
        return { done: false, before: segments.slice(0, at), target, after: segments.slice(at + 1) }
      }
      if (isLast) return { done: true, value: await work({ folder: folder.path, name, info }) }
      if (info === null && options.makeFolders) await makeFolder(`${folder.path}/${name}`)
      const next = await openFolder(`${folder.path}/${name}`)
      await folder.handle.close()
      folder = next
    }
    const info = await lstat(`${folder.path}/.`)
    return { done: true, value: await work({ folder: folder.path, name: '.', info }) }
  } finally {
    await folder.handle.close()
  }
}

/** The way that a link leads, as names from the root. */
function followed(root: string, link: Link): string[] {
  const { before, target, after } = link
  const way = isAbsolute(target) ? relative(root, target) : posix.join(...before, target)
  const clean = posix.normalize(posix.join(way, ...after))
  if (isAbsolute(way) || way === '..' || way.startsWith('../') || clean.startsWith('..')) {
    throw badRequest(`a symlink leads out of the sandbox: ${target}`)
  }
  return segmentsOf(clean)
}

export async function openFolder(path: string | Buffer): Promise<Folder> {
  const handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  // Elsewhere than on Linux an open folder has no path of its own: then only the checks protect.
  return { handle, path: process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : String(path) }
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path).catch((error: unknown) => {
    if (!isErrno(error, 'EEXIST')) throw error // made by somebody else meanwhile
  })
}

async function lstatOrNull(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

function asRefusal(error: unknown, path: string): unknown {
  if (isErrno(error, 'ENOENT')) return new ServiceFailure(404, `not found: ${path}`)
  if (isErrno(error, 'ENOTDIR', 'ELOOP')) return badRequest(`a file lies on the way to ${path}`)
  if (isErrno(error, 'EEXIST', 'ENOTEMPTY'))
    return new ServiceFailure(409, `changed at the same time: ${path}`, { retryable: true })
  if (isErrno(error, 'ENAMETOOLONG')) return badRequest('the path is too long')
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS')) return badRequest(`not allowed by the modes of ${path}`)
  return error
}
