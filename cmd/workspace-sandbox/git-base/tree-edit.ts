/**
 * A tree with some paths changed. Only folders on the way to these paths are read and written, so the cost does
 * not grow with the project, as it would with an index of all files.
 */
import { createHash } from 'node:crypto'
import { type BaseGit, inBase } from './base-git.ts'
import type { Change, Entry } from './changes.ts'
import { firstLine } from './git.ts'
import { createTreeReader, FOLDER_MODE, type Folder, isFolderEntry, type TreeReader } from './tree-reader.ts'

/** Path (bytes as latin1) to what is to stand there; null removes a file or a whole folder. */
export type Edits = ReadonlyMap<string, Entry | null>

interface Node {
  /** Undefined: this place itself is not touched, something below it is. */
  wanted: Entry | null | undefined
  readonly children: Map<string, Node>
  /** Folder the edits start from; null: none. */
  from: string | null
}

/** @returns the new tree; folders that end up empty are dropped */
export async function editTree(
  base: BaseGit,
  from: string,
  edits: Edits,
  reader: TreeReader = createTreeReader(base),
): Promise<string> {
  if (edits.size === 0) return from
  const root = plant(edits, from)
  await reader.loadPaths(from, foldersOf(edits.keys()))
  const levels = await readLevels(root, reader)
  const written = new Map<Node, Tree>()
  for (const level of levels.toReversed()) buildLevel(reader, level, written, from.length)
  await writeTrees(base, [...written.values()])
  return written.get(root)?.oid ?? emptyTree(base)
}

/** Every folder on the way to the paths; the first is `''`. */
function foldersOf(paths: Iterable<string>): string[] {
  const folders = new Set([''])
  for (const path of paths) {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1))
      folders.add(path.slice(0, end))
  }
  return [...folders]
}

/** `from` with the given changes made: the tree a partial approval wants to reach. */
export function treeWith(base: BaseGit, from: string, changes: readonly Change[]): Promise<string> {
  return editTree(base, from, new Map(changes.map((each) => [latin1(each.path), each.after])))
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1')

const newNode = (from: string | null): Node => ({ wanted: undefined, children: new Map(), from })

function plant(edits: Edits, from: string): Node {
  const root = newNode(from)
  for (const [path, wanted] of edits) {
    let node = root
    for (const name of path.split('/')) {
      const child = node.children.get(name) ?? newNode(null)
      node.children.set(name, child)
      node = child
    }
    node.wanted = wanted
  }
  return root
}

/** Nodes with something below them, level by level; loads the folders they start from. */
async function readLevels(root: Node, reader: TreeReader): Promise<Node[][]> {
  const levels: Node[][] = []
  for (let level = [root]; level.length > 0; level = level.flatMap((node) => descend(node, reader))) {
    await reader.load(level.flatMap((node) => node.from ?? []))
    levels.push(level)
  }
  return levels
}

/** The children that have something below them, each told which folder it starts from. */
function descend(node: Node, reader: TreeReader): Node[] {
  const folder = node.from === null ? null : reader.get(node.from)
  const next: Node[] = []
  for (const [name, child] of node.children) {
    if (child.children.size === 0) continue
    const before = folder?.get(name)
    // Removed first: what is put below starts from nothing.
    child.from = child.wanted === undefined && isFolderEntry(before) ? before.oid : null
    next.push(child)
  }
  return next
}

interface Tree {
  readonly oid: string
  readonly entries: Folder
}

/** Puts the folders of one level together; those below are known already. */
function buildLevel(
  reader: TreeReader,
  level: readonly Node[],
  written: Map<Node, Tree>,
  oidLength: number,
): void {
  for (const node of level) {
    const entries = new Map<string, Entry>(node.from === null ? [] : reader.get(node.from))
    for (const [name, child] of node.children) put(entries, name, child, written.get(child)?.oid)
    if (entries.size > 0) written.set(node, { oid: hashTree(entries, oidLength), entries })
  }
}

/** All in one go: a folder needs the ids of those in it, so ids are computed here and git's have to agree. */
async function writeTrees(base: BaseGit, trees: readonly Tree[]): Promise<void> {
  if (trees.length === 0) return
  // A tree ends with an empty record.
  const input = Buffer.from(trees.map((tree) => treeText(tree.entries)).join('\0'), 'latin1')
  const output = await inBase(base, ['mktree', '-z', '--batch', '--missing'], { input })
  if (output.toString().trim() !== trees.map((tree) => tree.oid).join('\n'))
    throw new Error('git mktree wrote other trees than asked for')
}

/** Sorted as git sorts: by bytes, a folder as if its name ended in `/`. */
function hashTree(entries: Folder, oidLength: number): string {
  const key = ([name, entry]: readonly [string, Entry]) => (isFolderEntry(entry) ? `${name}/` : name)
  const sorted = [...entries].toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
  const content = Buffer.concat(
    sorted.flatMap(([name, { mode, oid }]) => [
      Buffer.from(`${mode} ${name}\0`, 'latin1'),
      Buffer.from(oid, 'hex'),
    ]),
  )
  const hash = createHash(oidLength === 64 ? 'sha256' : 'sha1')
  return hash.update(`tree ${content.length}\0`).update(content).digest('hex')
}

/** @param below tree of what was put below the child, if anything is there */
function put(entries: Map<string, Entry>, name: string, child: Node, below: string | undefined): void {
  if (child.wanted) entries.set(name, child.wanted)
  else if (below !== undefined) entries.set(name, { mode: FOLDER_MODE, oid: below })
  else if (child.wanted === null || isFolderEntry(entries.get(name))) entries.delete(name)
  // Else: removals below a place that is no folder; it stays.
}

const treeText = (entries: Folder): string =>
  [...entries].map(([name, { mode, oid }]) => `${mode} ${typeOfMode(mode)} ${oid}\t${name}\0`).join('')

const typeOfMode = (mode: string): string => {
  if (mode === FOLDER_MODE) return 'tree'
  return mode === '160000' ? 'commit' : 'blob'
}

const emptyTree = async (base: BaseGit): Promise<string> => firstLine(await inBase(base, ['mktree']))
