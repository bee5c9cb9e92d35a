/** The tree of a workspace: the base with what the upper layer says, put together without looking elsewhere. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type BaseGit, changeIndex, inBase } from '../git-base/base-git.ts'
import type { Entry } from '../git-base/changes.ts'
import { joinNul, splitNul } from '../git-base/git.ts'
import { editTree } from '../git-base/tree-edit.ts'
import { createTreeReader } from '../git-base/tree-reader.ts'
import { readIndexFile } from './index-file.ts'
import { type Layers, walkUpper } from './upper-walk.ts'

/** Kept between readings: git reads only files whose stat data moved. */
const INDEX = 'upper.index'

/**
 * @param base its workspace is the upper layer
 * @param nothing absolute path of an empty folder
 */
export async function readUpper(
  base: BaseGit,
  layers: Layers,
  baseTree: string,
  nothing: string,
): Promise<string> {
  const reader = createTreeReader(base)
  const { gone, files } = await walkUpper(layers, baseTree, reader)
  const unknown = [...files].filter(([, before]) => before === null).map(([path]) => path)
  const ignored = await findIgnored({ ...base, workspace: nothing }, unknown)
  const taken = [...files.keys()].filter((path) => !ignored.has(path))
  const contents = await hashFiles(base, taken, baseTree.length / 2)
  const edits = new Map<string, Entry | null>(gone.map((path) => [path, null]))
  for (const path of taken) {
    const before = files.get(path) ?? null
    // Absent: removed between the walk and the reading.
    const after = contents.get(path) ?? null
    if (before?.mode === after?.mode && before?.oid === after?.oid) continue
    edits.set(path, after)
  }
  return editTree(base, baseTree, edits, reader)
}

/**
 * Which of the paths the rules of the repository ignore, and those of ignore files in its workspace.
 * @param base for the rules of the start its workspace is empty, so that no ignore file the agent wrote is seen
 */
export async function findIgnored(base: BaseGit, paths: readonly string[]): Promise<ReadonlySet<string>> {
  if (paths.length === 0) return new Set()
  // With `./` a name that starts with a colon is not taken for a pathspec.
  const input = joinNul(paths.map((path) => `./${path}`))
  const args = ['check-ignore', '--no-index', '-z', '--stdin']
  const ignored = splitNul(await inBase(base, args, { input, okCodes: [0, 1] }))
  return new Set(ignored.map((path) => path.slice(2)))
}

async function hashFiles(
  base: BaseGit,
  paths: readonly string[],
  oidBytes: number,
): Promise<Map<string, Entry>> {
  const contents = new Map<string, Entry>()
  if (paths.length === 0) return contents
  await rm(join(base.dir, `${INDEX}.lock`), { force: true }) // of a git that was killed
  await changeIndex(base, ['--add', '--remove', '--replace'], paths, INDEX)
  for (const entry of await readIndexFile(join(base.dir, INDEX), oidBytes)) {
    contents.set(entry.path, { mode: entry.mode.toString(8), oid: entry.oid })
  }
  const wanted = new Set(paths)
  const stale = [...contents.keys()].filter((path) => !wanted.has(path))
  await changeIndex(base, ['--force-remove'], stale, INDEX)
  return contents
}
