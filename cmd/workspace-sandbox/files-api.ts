/** The files of an active sandbox over HTTP (section 6 of the contract). Paths are relative to `mergedDir`. */
import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, rmdir, unlink } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { badRequest, isErrno, ServiceFailure, wrongState } from './failure.ts'
import type { FileBody } from './request-body.ts'
import { atPath, openFolder, type Spot, segmentsOf } from './sandbox-path.ts'
import { type Deps, findRow } from './sandbox-service.ts'
import type { Json } from './wire.ts'

export const MAX_CONTENT_BYTES = 10 * 1024 * 1024
/** More entries of one folder are counted but not listed. */
const MAX_ENTRIES = 10_000
const BINARY_SEARCH_BYTES = 8000
const READING = { makeFolders: false, followLast: true }
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants

/** In the sandbox's turn, so that it is not stopped or deleted underneath. @throws ServiceFailure 404, 409 */
function inSandbox<T>(deps: Deps, id: string, work: (root: string) => Promise<T>): Promise<T> {
  return deps.serial.run(id, async () => {
    const row = findRow(deps, id)
    if (row.status !== 'active' || row.mergedDir === null) throw wrongState('use the files of', row.status)
    return work(row.mergedDir)
  })
}

export function listFolder(deps: Deps, id: string, path: string): Promise<Json> {
  return inSandbox(deps, id, (root) =>
    atPath(root, path, READING, async (spot) => {
      if (spot.info === null) throw notFound(path)
      if (!spot.info.isDirectory()) throw badRequest(`not a folder: ${path}`)
      const folder = await openFolder(at(spot))
      try {
        const names = (await readdir(folder.path)).toSorted()
        const entries: Json[] = []
        for (const name of names.slice(0, MAX_ENTRIES)) {
          const entry = await entryOf(folder.path, name, segmentsOf(path))
          if (entry !== null) entries.push(entry)
        }
        return { path, entries, total: names.length }
      } finally {
        await folder.handle.close()
      }
    }),
  )
}

async function entryOf(folder: string, name: string, above: readonly string[]): Promise<Json | null> {
  try {
    const info = await lstat(`${folder}/${name}`)
    return {
      name,
      path: [...above, name].join('/'),
      isDir: info.isDirectory(),
      size: info.size,
      mode: modeText(info),
      modTime: info.mtime.toISOString(),
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null // gone since the listing
    throw error
  }
}

/** As Go prints a mode: `-rw-r--r--`, `drwxr-xr-x`, `Lrwxrwxrwx`. */
function modeText(info: Stats): string {
  const bits = [...'rwxrwxrwx'].map((letter, index) => ((info.mode >> (8 - index)) & 1 ? letter : '-'))
  return `${kindLetter(info)}${bits.join('')}`
}

function kindLetter(info: Stats): string {
  if (info.isDirectory()) return 'd'
  if (info.isSymbolicLink()) return 'L'
  return info.isFile() ? '-' : '?'
}

const at = (spot: Spot): string => `${spot.folder}/${spot.name}`

const notFound = (path: string): ServiceFailure => new ServiceFailure(404, `not found: ${path}`)

export function readContent(deps: Deps, id: string, path: string): Promise<Json> {
  return inSandbox(deps, id, (root) =>
    atPath(root, path, READING, async (spot) => {
      const handle = await openPlain(spot, path)
      try {
        const { size } = await handle.stat()
        if (size > MAX_CONTENT_BYTES) throw badRequest(`larger than ${MAX_CONTENT_BYTES} bytes: ${path}`)
        const content = await handle.readFile()
        const isBinary = content.subarray(0, BINARY_SEARCH_BYTES).includes(0)
        const text = isBinary ? null : asText(content)
        return {
          path,
          content: text ?? content.toString('base64'),
          encoding: text === null ? 'base64' : 'utf8',
          size: content.length,
          isBinary,
        }
      } finally {
        await handle.close()
      }
    }),
  )
}

/** @returns null when JSON would not give the same bytes back */
function asText(content: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    return null // told to the caller by the encoding
  }
}

/** Opens an existing file for reading. @throws ServiceFailure 400, 404 */
async function openPlain(spot: Spot, path: string): Promise<FileHandle> {
  if (spot.info === null) throw notFound(path)
  if (!spot.info.isFile()) throw badRequest(`not a plain file: ${path}`)
  // Another thing may be there by now. Without waiting: the open of a pipe would last until somebody writes to it.
  const handle = await open(at(spot), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    if (!(await handle.stat()).isFile()) throw badRequest(`not a plain file: ${path}`)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The whole file, of any size; reading it to its end or destroying the stream closes it. */
export function downloadFile(deps: Deps, id: string, path: string): Promise<Readable> {
  return inSandbox(deps, id, (root) =>
    atPath(root, path, READING, async (spot) => (await openPlain(spot, path)).createReadStream()),
  )
}

/** Folders on the way are made. The mode counts only for a file that is made now. */
export function writeContent(deps: Deps, id: string, path: string, body: FileBody): Promise<Json> {
  const content = decode(body)
  return inSandbox(deps, id, (root) =>
    atPath(root, path, { makeFolders: true, followLast: true }, async (spot) => {
      if (spot.info !== null && !spot.info.isFile()) throw badRequest(`not a plain file: ${path}`)
      const created = spot.info === null
      const how = created ? O_CREAT | O_EXCL : O_TRUNC | O_NONBLOCK
      const handle = await open(at(spot), O_WRONLY | O_NOFOLLOW | how, body.mode)
      try {
        if (created) await handle.chmod(body.mode) // whatever this process's umask is
        await handle.writeFile(content)
      } finally {
        await handle.close()
      }
      return { path, size: content.length, created }
    }),
  )
}

function decode(body: FileBody): Buffer {
  const isBase64 = body.encoding === 'base64'
  if (isBase64 && !(body.content.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(body.content)))
    throw badRequest('content is not valid base64')
  const content = Buffer.from(body.content, isBase64 ? 'base64' : 'utf8')
  if (content.length > MAX_CONTENT_BYTES)
    throw badRequest(`content is larger than ${MAX_CONTENT_BYTES} bytes`)
  return content
}

export function makeFolder(deps: Deps, id: string, path: string): Promise<Json> {
  return inSandbox(deps, id, (root) =>
    atPath(root, path, { makeFolders: true, followLast: true }, async (spot) => {
      if (spot.info === null) await mkdir(at(spot))
      else if (!spot.info.isDirectory()) throw badRequest(`a file is there already: ${path}`)
      return { path, created: true }
    }),
  )
}

/** A link is removed itself, never what it leads to. An absent path is fine. */
export async function deletePath(deps: Deps, id: string, path: string, recursive: boolean): Promise<Json> {
  if (segmentsOf(path).length === 0) throw badRequest('the workspace itself cannot be deleted')
  try {
    return await inSandbox(deps, id, (root) =>
      atPath(root, path, { makeFolders: false, followLast: false }, async (spot) => {
        if (spot.info === null) return { path, deleted: false }
        if (!spot.info.isDirectory()) await unlink(at(spot))
        else if (recursive) await removeFolder(at(spot))
        else throw badRequest(`a folder, which needs recursive=true: ${path}`)
        return { path, deleted: true }
      }),
    )
  } catch (error) {
    // A folder on the way is missing. (An unknown sandbox is 404 with a hint.)
    if (error instanceof ServiceFailure && error.status === 404 && error.hint === null)
      return { path, deleted: false }
    throw error
  }
}

/** Each folder is held open, so that one swapped for a link is not followed. Names are bytes: any is possible. */
async function removeFolder(path: string | Buffer): Promise<void> {
  const folder = await openFolder(path)
  try {
    for (const entry of await readdir(folder.path, { withFileTypes: true, encoding: 'buffer' })) {
      const inner = Buffer.concat([Buffer.from(`${folder.path}/`), entry.name])
      if (entry.isDirectory()) await removeFolder(inner)
      else await unlink(inner)
    }
  } finally {
    await folder.handle.close()
  }
  await rmdir(path)
}
