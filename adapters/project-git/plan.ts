/** Before landing: which paths can be taken from the work tree afterwards, and which need the patch. */
import { parseUnifiedDiff } from '../../internal/approval/diff.ts'
import type { CommitPlan, CommitRequest, PlanResult } from '../../internal/approval/project-port.ts'
import { type Entry, GITLINK_MODE, indexInfo, names, treeEntries } from './entries.ts'
import { inProgress, readHead, treeOf } from './head.ts'
import { assertInside, fromTop, list } from './project-paths.ts'
import type { Repository } from './repository.ts'
import { applySections, changedNames, misfits } from './reviewed-patch.ts'
import { type WorkTree, workTreeAt } from './work-tree.ts'

type Refusal = Extract<PlanResult, { ok: false }>
type Entries = ReadonlyMap<string, Entry>
type Wanted = Pick<CommitRequest, 'paths' | 'patch'>

/** Changes nothing in the repository. Throws SANDBOX_OPERATION for a path that leaves the project. */
export async function planCommit(repository: Repository, request: Wanted): Promise<PlanResult> {
  const doing = await inProgress(repository)
  if (doing !== null) {
    return refuse('busy', `a ${doing} is in progress in the project: end or abort it first`, [])
  }
  const head = await readHead(repository)
  const renames = renamesOf(request)
  const named = [...request.paths, ...renames.flat()]
  named.forEach(assertInside)

  const { prefix } = repository
  const before = await treeEntries(repository, treeOf(repository, head.commit), fromTop(prefix, named))
  // A path that is a folder in HEAD stands for everything below it.
  const below = [...before.keys()].map((path) => path.slice(prefix.length))
  const paths = [...new Set([...named, ...below])].sort()
  const workTree = workTreeAt(repository.toplevel)
  const foreign = await inOtherRepositories(repository, workTree, before, paths)
  if (foreign.length > 0) {
    return refuse('dirty', `${list(foreign)}: part of a submodule or of another repository`, foreign)
  }

  const dirty = await dirtyPaths(repository, workTree, before, paths)
  // A rename is one section of the patch: both sides come from it, or neither.
  for (const pair of renames) {
    if (pair.some((path) => dirty.has(path))) for (const path of pair) dirty.add(path)
  }
  const plan: CommitPlan = {
    head: head.commit,
    branch: head.branch,
    clean: paths.filter((path) => !dirty.has(path)),
    dirty: paths.filter((path) => dirty.has(path)),
  }
  return (await refusalOfPatch(repository, request.patch, plan, before)) ?? { ok: true, plan }
}

function renamesOf({ paths, patch }: Wanted): [string, string][] {
  const wanted = new Set(paths)
  return parseUnifiedDiff(patch, () => '').flatMap(({ changeType, path, oldPath }) =>
    changeType === 'renamed' && oldPath !== null && (wanted.has(path) || wanted.has(oldPath))
      ? [[oldPath, path]]
      : [],
  )
}

/** What belongs to another repository cannot be committed in this one. */
async function inOtherRepositories(
  { prefix }: Repository,
  workTree: WorkTree,
  before: Entries,
  paths: readonly string[],
): Promise<string[]> {
  const foreign: string[] = []
  for (const path of paths) {
    const isLink = before.get(prefix + path)?.mode === GITLINK_MODE
    if (isLink || (await workTree.inOtherRepository(prefix + path))) foreign.push(path)
  }
  return foreign
}

/**
 * The paths whose file is not what HEAD says, mode and absence included. They are compared in an index of
 * their own, so that git's filters decide, nothing is written to the object store and no other file is read.
 */
async function dirtyPaths(
  repository: Repository,
  workTree: WorkTree,
  before: Entries,
  paths: readonly string[],
): Promise<Set<string>> {
  const { git, prefix, withIndex } = repository
  const input = [...before].map(([path, entry]) => indexInfo(repository, path, entry)).join('')
  const differing = await withIndex(async (index) => {
    await git(['update-index', '-z', '--index-info'], { index, input })
    // Ends with 1 where something differs: that is what the next command lists.
    await git(['update-index', '-q', '--refresh'], { index, codes: [0, 1] })
    return names((await git(['diff-files', '-z', '--name-only', '--no-renames'], { index })).stdout)
  })
  const dirty = new Set(differing.map((path) => path.slice(prefix.length)))
  for (const path of paths) {
    if (!before.has(prefix + path) && (await workTree.at(prefix + path)) === 'file') dirty.add(path)
  }
  return dirty
}

/** Null when the reviewed patch fits HEAD at the dirty paths, so that it can be committed without the rest. */
async function refusalOfPatch(
  repository: Repository,
  patch: string,
  { head, dirty }: CommitPlan,
  before: Entries,
): Promise<Refusal | null> {
  if (dirty.length === 0) return null
  const { git, prefix, withIndex } = repository
  const tree = treeOf(repository, head)
  return await withIndex(async (index) => {
    await git(['read-tree', tree], { index })
    const bad = await misfits(repository, index, { patch, prefix }, dirty)
    if (bad.length === 0 && (await applySections(repository, index, { patch, prefix }, dirty))) {
      const touched = await changedNames(repository, tree, { index })
      const allowed = new Set(fromTop(prefix, dirty))
      if (touched.every((path) => allowed.has(path))) return null
    }
    return dirtyRefusal(bad.length > 0 ? bad : dirty, (path) => before.has(prefix + path))
  })
}

function dirtyRefusal(paths: readonly string[], isInHead: (path: string) => boolean): Refusal {
  const edited = paths.filter(isInHead)
  const unknown = paths.filter((path) => !isInHead(path))
  const sentences = [
    edited.length === 0
      ? ''
      : `${list(edited)}: uncommitted changes that the approved ones build on or clash with; commit or undo them first`,
    unknown.length === 0
      ? ''
      : `${list(unknown)}: there before the run and not in the last commit; commit or remove it first`,
  ]
  return refuse('dirty', sentences.filter((sentence) => sentence !== '').join('. '), paths)
}

function refuse(reason: Refusal['reason'], message: string, paths: readonly string[]): Refusal {
  return { ok: false, reason, message, paths }
}
