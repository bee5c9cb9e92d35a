/** What stands at a path of the project right now, in git's terms. Symlinks are never followed, on no part of the path. */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, open, readdir, readlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import type { Change, Entry } from './changes.ts'

type Live =
  | { readonly kind: 'absent' }
  | { readonly kind: 'folder' }
  | { readonly kind: 'file'; readonly entry: Entry }
  /** A socket, device or fifo. */
  | { readonly kind: 'special' }

/**
 * Paths of the changes that are neither as before nor, when `afterIsFine`, as after: somebody else changed them.
 * Empty means landing these changes overwrites nobody's work.
 */
export async function findDrift(
  root: string,
  changes: readonly Change[],
  afterIsFine: boolean,
): Promise<string[]> {
  const touched = new Map(changes.map((change) => [change.path, change]))
  const drifted: string[] = []
  for (const change of changes) {
    const live = await lookAt(root, change)
    const asBefore = await equals(root, live, change.path, change.before, touched)
    const asAfter = afterIsFine && (await equals(root, live, change.path, change.after, touched))
    const reachable = change.after === null || (await isReachable(root, change.path, touched))
    if (!(asBefore || asAfter) || !reachable) drifted.push(change.path)
  }
  return drifted
}

/** Paths that do not stand as the changes want them. */
export async function findUnlanded(root: string, changes: readonly Change[]): Promise<string[]> {
  const touched = new Map(changes.map((change) => [change.path, change]))
  const unlanded: string[] = []
  for (const change of changes) {
    if (!(await equals(root, await lookAt(root, change), change.path, change.after, touched)))
      unlanded.push(change.path)
  }
  return unlanded
}

async function equals(
  root: string,
  live: Live,
  path: string,
  wanted: Entry | null,
  touched: ReadonlyMap<string, Change>,
): Promise<boolean> {
  if (wanted !== null) {
    return live.kind === 'file' && live.entry.mode === wanted.mode && live.entry.oid === wanted.oid
  }
  if (live.kind === 'absent') return true
  return live.kind === 'folder' && (await holdsOnly(join(root, path), path, touched))
}

/** Where a file is to be there may be a folder as long as everything in it is part of the same changes. */
async function holdsOnly(
  folder: string,
  path: string,
  touched: ReadonlyMap<string, Change>,
): Promise<boolean> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const inner = `${path}/${entry.name}`
    const fine = entry.isDirectory()
      ? await holdsOnly(join(folder, entry.name), inner, touched)
      : touched.has(inner)
    if (!fine) return false
  }
  return true
}

/** Nothing but folders, or files these changes remove, lies on the way to the path. */
async function isReachable(
  root: string,
  path: string,
  touched: ReadonlyMap<string, Change>,
): Promise<boolean> {
  for (let above = dirname(path); above !== '.'; above = dirname(above)) {
    const info = await lstatOrNull(join(root, above))
    if (info !== null && !info.isDirectory() && touched.get(above)?.after !== null) return false
  }
  return true
}

async function lookAt(root: string, change: Change): Promise<Live> {
  for (let above = dirname(change.path); above !== '.'; above = dirname(above)) {
    const info = await lstatOrNull(join(root, above))
    if (info === null || !info.isDirectory()) return { kind: 'absent' }
  }
  const file = join(root, change.path)
  const info = await lstatOrNull(file)
  if (info === null) return { kind: 'absent' }
  if (info.isDirectory()) return { kind: 'folder' }
  const algorithm = (change.before ?? change.after)?.oid.length === 64 ? 'sha256' : 'sha1'
  if (info.isSymbolicLink()) {
    const target = await readlink(file, { encoding: 'buffer' })
    return { kind: 'file', entry: { mode: '120000', oid: hashBlob(algorithm, target) } }
  }
  if (!info.isFile()) return { kind: 'special' }
  const mode = (info.mode & 0o100) === 0 ? '100644' : '100755'
  return { kind: 'file', entry: { mode, oid: await hashFile(algorithm, file) } }
}

function hashBlob(algorithm: string, content: Buffer): string {
  return createHash(algorithm).update(`blob ${content.length}\0`).update(content).digest('hex')
}

async function hashFile(algorithm: string, file: string): Promise<string> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const hash = createHash(algorithm).update(`blob ${(await handle.stat()).size}\0`)
    for await (const chunk of handle.createReadStream({ autoClose: false })) hash.update(chunk)
    return hash.digest('hex')
  } finally {
    await handle.close()
  }
}

async function lstatOrNull(path: string) {
  try {
    return await lstat(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}
