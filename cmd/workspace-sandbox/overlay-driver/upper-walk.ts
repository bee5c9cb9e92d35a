/**
 * What the upper layer of an overlay says about the base: which paths are gone, and which files stand there now.
 * Its cost follows the number of changes. Names are strings of bytes (latin1).
 */
import type { Dirent, Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { isErrno } from '../failure.ts'
import type { Entry } from '../git-base/changes.ts'
import { type Folder, isFolderEntry, type TreeReader } from '../git-base/tree-reader.ts'

export interface Upper {
  /** In the base and not in the workspace: files, links or whole folders. */
  readonly gone: readonly string[]
  /** Files and links of the upper layer, with what the base has there when that is a file or link too. */
  readonly files: ReadonlyMap<string, Entry | null>
}

export interface Layers {
  /** Absolute paths. */
  readonly upper: string
  readonly lower: string
  /** The workspace where it is mounted, or null. What somebody replaced in the project may be missing in it. */
  readonly live: string | null
  /** A folder that shows both layers as one, as they are now; made only when it is asked for. */
  readonly fresh: () => Promise<string>
}

const NOTHING: Folder = new Map()

export async function walkUpper(layers: Layers, baseTree: string, reader: TreeReader): Promise<Upper> {
  const listings = await listFolders(layers.upper)
  await reader.loadPaths(baseTree, [...listings.keys()])
  const walk: Walk = { gone: [], files: new Map(), trees: new Map([['', baseTree]]) }
  for (const [path, entries] of listings) {
    const tree = walk.trees.get(path)
    // Loaded already but for names with a line break.
    if (tree !== undefined) await reader.load([tree])
    const folder = tree === undefined ? NOTHING : reader.get(tree)
    lookInto(path, entries, folder, walk)
    const seen = new Set(entries.map((entry) => entry.name.toString('latin1')))
    walk.gone.push(...(await hiddenByOpaque(layers, path, folder, seen)))
  }
  return walk
}

interface Walk {
  readonly gone: string[]
  readonly files: Map<string, Entry | null>
  /** Tree of a folder in the base; set before the folder's turn comes. */
  readonly trees: Map<string, string>
}

function lookInto(path: string, entries: readonly Dirent<Buffer>[], folder: Folder, walk: Walk): void {
  for (const entry of entries) {
    const name = entry.name.toString('latin1')
    const before = folder.get(name) ?? null
    if (isGitName(name)) continue
    if (entry.isDirectory() && isFolderEntry(before)) walk.trees.set(below(path, name), before.oid)
    else look(below(path, name), entry, before, walk)
  }
}

/** What every folder of the upper layer holds; a folder comes after the one it lies in. */
async function listFolders(upper: string): Promise<Map<string, Dirent<Buffer>[]>> {
  const listings = new Map<string, Dirent<Buffer>[]>()
  const open = ['']
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const entries = await readdir(placeOf(upper, path), LISTING)
    listings.set(path, entries)
    for (const entry of entries) {
      const name = entry.name.toString('latin1')
      if (entry.isDirectory() && !isGitName(name)) open.push(below(path, name))
    }
  }
  return listings
}

const LISTING = { withFileTypes: true, encoding: 'buffer' } as const

/** Git itself refuses to track these names in any case. */
const isGitName = (name: string): boolean => /^\.git$/i.test(name)

function look(path: string, entry: Dirent<Buffer>, before: Entry | null, walk: Walk): void {
  // A file that became a folder, the reverse, a whiteout, or a socket, device or pipe that cannot be reviewed: in
  // each case what the base has there is gone.
  const isFile = entry.isFile() || entry.isSymbolicLink()
  if (before !== null && (!isFile || isFolderEntry(before))) walk.gone.push(path)
  if (isFile) walk.files.set(path, isFolderEntry(before) ? null : before)
}

/**
 * An opaque folder hides everything the lower layer has in it. Its mark is an extended attribute that cannot be
 * read from here; but what the base has, the lower layer still has, and nobody sees in the workspace, is hidden.
 */
async function hiddenByOpaque(
  layers: Layers,
  path: string,
  folder: Folder,
  seen: ReadonlySet<string>,
): Promise<string[]> {
  const candidates = [...folder.keys()].filter((name) => !seen.has(name)).map((name) => below(path, name))
  if (candidates.length === 0) return []
  if (layers.live !== null && (await holdsAny(layers.live, candidates))) return []
  // Gone from the project as well: then it was not the agent who removed them.
  if (!(await holdsAny(layers.lower, candidates))) return []
  // A folder of the project that was removed and made anew stays empty in a mounted overlay: look again.
  return (await holdsAny(await layers.fresh(), candidates)) ? [] : candidates
}

async function holdsAny(root: string, paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if ((await lstatOrNull(placeOf(root, path))) !== null) return true
  return false
}

const below = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`)

const placeOf = (root: string, path: string): Buffer =>
  Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')])

async function lstatOrNull(path: Buffer): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}
