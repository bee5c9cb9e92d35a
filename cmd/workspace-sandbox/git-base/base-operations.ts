/** What every driver does the same way: compare, show and land trees of the sandbox's own repository. */
import type { Reading } from '../driver.ts'
import { type BaseGit, inBase } from './base-git.ts'
import { type Change, readBinaryPaths, readChanges, readSizes } from './changes.ts'
import { type Git, splitNul } from './git.ts'
import { landStep } from './landing-step.ts'
import { formatPatch } from './patch-format.ts'
import { readHead } from './project-git.ts'
import { treeWith } from './tree-edit.ts'

export interface BaseOperationsDeps {
  readonly git: Git
  readonly baseOf: (id: string) => BaseGit
  /** Absolute path of a sandbox's folder. */
  readonly folderOf: (id: string) => string
  /** Whether owners of files can be kept. */
  readonly isRoot: boolean
}

const MAX_REMEMBERED = 4

export function createBaseOperations({ git, baseOf, folderOf, isRoot }: BaseOperationsDeps) {
  const changesOf = rememberChanges()
  const changesBetween = (id: string, from: string, to: string) => changesOf(baseOf(id), from, to)
  return {
    baseOf,
    reading: async (id: string, baseTree: string, tree: string): Promise<Reading> => {
      const changes = await changesBetween(id, baseTree, tree)
      const oids = changes.flatMap((each) => (each.after === null ? [] : [each.after.oid]))
      return { tree, changes, sizes: await readSizes(baseOf(id), oids) }
    },
    patch: async (id: string, from: string, to: string, prefix: string) =>
      patch(baseOf(id), await changesBetween(id, from, to), { from, to, prefix }),
    changesBetween,
    binaryPaths: (id: string, from: string, to: string) => readBinaryPaths(baseOf(id), from, to),
    treeWith: (id: string, from: string, changes: readonly Change[]) => treeWith(baseOf(id), from, changes),
    landStep: async (id: string, scope: string, from: string, to: string, resumed: boolean) => {
      const place = { base: baseOf(id), folder: folderOf(id), mark: id, keepOwners: isRoot }
      return landStep({ ...place, scope, resumed, changes: await changesBetween(id, from, to) })
    },
    committedSince: (scope: string, baseCommit: string | null) => committedSince(git, scope, baseCommit),
  }
}

/** The last answers again: a diff and an approval ask for the same two trees several times. */
function rememberChanges() {
  const known = new Map<string, Change[]>()
  return async (base: BaseGit, from: string, to: string): Promise<Change[]> => {
    if (from === to) return []
    const key = `${base.dir} ${from} ${to}`
    const changes = known.get(key) ?? (await readChanges(base, from, to))
    known.delete(key)
    known.set(key, changes)
    const [oldest] = known.keys()
    if (known.size > MAX_REMEMBERED && oldest !== undefined) known.delete(oldest)
    return changes
  }
}

/** The unified diff between two trees. @param of `prefix` is put before each path */
async function patch(
  base: BaseGit,
  changes: readonly Change[],
  of: { readonly from: string; readonly to: string; readonly prefix: string },
): Promise<string> {
  if (changes.length === 0) return ''
  const format = ['--no-renames', '--no-ext-diff', '--no-textconv', '--no-color', '--full-index', '-U3']
  const text = await inBase(base, ['diff-tree', '-r', '-p', ...format, of.from, of.to])
  return Buffer.from(formatPatch(text.toString('latin1'), changes, of.prefix), 'latin1').toString('utf8')
}

/** Paths whose committed content differs between the base commit and the project's HEAD now. */
async function committedSince(
  git: Git,
  scope: string,
  baseCommit: string | null,
): Promise<ReadonlySet<string>> {
  const head = baseCommit === null ? null : await readHead(git, scope)
  if (baseCommit === null || head === null || head === baseCommit) return new Set()
  const args = ['--no-optional-locks', 'diff-tree', '-r', '-z', '--name-only', '--no-renames', '--relative']
  // 128: the base commit was collected meanwhile; then nothing can be said.
  const result = await git({ cwd: scope, args: [...args, baseCommit, head], okCodes: [0, 128] })
  return new Set(splitNul(result.stdout).map((path) => Buffer.from(path, 'latin1').toString()))
}
