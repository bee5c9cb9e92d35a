/**
 * Reads the tree an agent found, from the project itself, without reading files git knows to be unchanged. Git
 * works on a copy of the project's index and writes to the sandbox's own repository only.
 */
import { rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isErrno } from '../failure.ts'
import {
  type BaseGit,
  changeIndex,
  inBase,
  initBaseGit,
  readWorkspace,
  rulesFile,
} from '../git-base/base-git.ts'
import type { Entry } from '../git-base/changes.ts'
import { copyIndex } from '../git-base/copy-index.ts'
import { splitNul } from '../git-base/git.ts'
import { type ProjectGit, readProjectGit, readTrackedIgnored } from '../git-base/project-git.ts'
import { effectiveRules, presentFiles, writeOuterRules } from '../git-base/start-rules.ts'
import { editTree } from '../git-base/tree-edit.ts'
import { findConverted } from './converted-files.ts'
import { findIgnoreFiles } from './ignore-files.ts'
import { type IndexEntry, readIndexFile } from './index-file.ts'

export interface Scan {
  readonly baseTree: string
  /** Repositories found inside the project, as `a/b/` (bytes as latin1). */
  readonly repositories: readonly string[]
}

const GITLINK = 0o160000
const FOLDER = 0o040000

export interface Start {
  /** When the sandbox was made, by the file system's clock, in nanoseconds since 1970. */
  readonly ns: bigint
  /** The project's commit then. */
  readonly commit: string | null
}

/**
 * @param of its workspace is the project's folder, which is only read
 * @param pause awaited between the steps
 */
export async function scanBase(of: BaseGit, start: Start, pause: () => Promise<void>): Promise<Scan> {
  const base: BaseGit = { ...of, git: (call) => pause().then(() => of.git(call)) }
  const scope = base.workspace
  const project = await readProjectGit(base.git, scope)
  const format = project?.objectFormat ?? 'sha1'
  await rm(base.dir, { recursive: true, force: true }) // of a scan that was cut
  await initBaseGit(base, format, project?.objectsDir ?? null)
  const outer = await writeOuterRules(base, project)
  const oidBytes = format === 'sha256' ? 32 : 20
  const readIndex = () => readIndexFile(join(base.dir, 'index'), oidBytes, pause)
  const seed = await seedIndex(base, project, readIndex)
  const ignoreFiles = await findIgnoreFiles(base, seed.paths)
  const rules = await effectiveRules(base, outer, ignoreFiles)
  await writeFile(rulesFile(base), rules)
  const ignored = project === null || seed.isFilled ? [] : await readTrackedIgnored(base.git, scope)
  const alwaysIn = await presentFiles(scope, [...ignored, ...seed.unread])
  const repositories: string[] = []
  const present = await readWorkspace(base, alwaysIn, (path) => repositories.push(path))
  // From here on `check-ignore` gives the answer of the start.
  await writeFile(join(base.dir, 'info', 'exclude'), rules)
  const suspects = await findSuspects(base, await readIndex(), seed.paths, start.ns)
  await rm(join(base.dir, 'index'), { force: true })
  const prefix = project?.prefix ?? ''
  const baseTree = await asCommitted(base, present, suspects, start.commit, prefix)
  return { baseTree, repositories }
}

interface Seed {
  /** Whether the index holds what the project tracks. */
  readonly isFilled: boolean
  /** What the project tracks. */
  readonly paths: readonly string[]
  /** Tracked, but to be read from the file: what git stores of it may be something else. */
  readonly unread: readonly string[]
}

const EMPTY_SEED: Seed = { isFilled: false, paths: [], unread: [] }

/** Starts from the project's index, less what cannot be trusted in it. */
async function seedIndex(
  base: BaseGit,
  project: ProjectGit | null,
  readIndex: () => Promise<IndexEntry[]>,
): Promise<Seed> {
  const file = join(base.dir, 'index')
  if (project === null || project.indexFile === null) return EMPTY_SEED
  try {
    await copyIndex(project.indexFile, file)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return EMPTY_SEED // replaced this very moment
    throw error
  }
  await inBase(base, ['update-index', '--index-version', '2', '--force-write-index'])
  const entries = await readIndex()
  const files = entries.filter((each) => isTrusted(each))
  const converted = await findConverted(base, files)
  const unwatched = files.filter((each) => each.unwatched).map((each) => each.path)
  await changeIndex(base, ['--no-assume-unchanged'], unwatched)
  await changeIndex(base, ['--no-skip-worktree'], unwatched)
  const others = entries.filter((each) => !isTrusted(each)).map((each) => each.path)
  const dropped = [...new Set([...others, ...converted])]
  await changeIndex(base, ['--force-remove'], dropped)
  return { isFilled: true, paths: entries.map((each) => each.path), unread: dropped }
}

/** A submodule's files are plain files here; an unresolved merge has several versions of one. */
const isTrusted = (entry: IndexEntry): boolean =>
  entry.stage === 0 && (entry.mode & 0o170000) !== GITLINK && (entry.mode & 0o170000) !== FOLDER

/** What somebody else may have changed after the agent could already have copied it. */
async function findSuspects(
  base: BaseGit,
  entries: readonly IndexEntry[],
  tracked: readonly string[],
  startedNs: bigint,
): Promise<string[]> {
  const present = new Set(entries.map((each) => each.path))
  const changed = entries.filter((each) => each.changedNs > startedNs).map((each) => each.path)
  const removed: string[] = []
  for (const path of tracked) {
    if (!present.has(path) && (await folderChanged(base.workspace, path, startedNs))) removed.push(path)
  }
  return [...changed, ...removed]
}

/** Whether the folder a missing file was in, or the next one above that is still there, changed since. */
async function folderChanged(scope: string, path: string, startedNs: bigint): Promise<boolean> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const place = Buffer.concat([Buffer.from(`${scope}/`), Buffer.from(folder, 'latin1')])
    try {
      return (await stat(place, { bigint: true })).mtimeNs > startedNs
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
      if (folder === '.') return true
    }
  }
}

/**
 * `tree` with the suspects as they were committed at the start, for want of something better: where the project
 * holds something else by now, an approval then meets a conflict instead of overwriting it.
 */
async function asCommitted(
  base: BaseGit,
  tree: string,
  suspects: readonly string[],
  commit: string | null,
  prefix: string,
): Promise<string> {
  const edits = new Map<string, Entry | null>(suspects.map((path) => [path, null]))
  if (edits.size > 0 && commit !== null) {
    const args = ['ls-tree', '-r', '-z', `${commit}:${prefix.replace(/\/$/, '')}`]
    // 128: the commit does not have the sub-folder.
    for (const line of splitNul(await inBase(base, args, { okCodes: [0, 128] }))) {
      const [mode = '', type, oid = ''] = line.slice(0, line.indexOf('\t')).split(' ')
      const path = line.slice(line.indexOf('\t') + 1)
      if (type === 'blob' && edits.has(path)) edits.set(path, { mode, oid })
    }
  }
  return editTree(base, tree, edits)
}
