/** Where sandbox and project have both moved: told by `conflicts`, taken as the new base by `rebase`. */
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { asDriver, readSandbox } from './diff.ts'
import { isErrno, wrongState } from './failure.ts'
import { type BaseGit, emptyIndex, inBase } from './git-base/base-git.ts'
import { firstLine, joinNul } from './git-base/git.ts'
import { findDrift } from './git-base/project-files.ts'
import { readProjectGit } from './git-base/project-git.ts'
import type { RebaseBody } from './request-body.ts'
import type { Row } from './row.ts'
import { change, type Deps, findRow, inTurn } from './sandbox-service.ts'
import type { Json } from './wire.ts'

interface Standing {
  readonly head: string | null
  /** All paths are relative to the scope. */
  readonly repoChanged: readonly string[]
  readonly sandboxChanged: readonly string[]
  /** Changed in the sandbox, and in the project not what they were when it was made, committed or not. */
  readonly clashing: readonly string[]
}

/** ConflictCheck of the contract; a conflict is a file changed on both sides, not a moved HEAD alone. */
export function checkConflicts(deps: Deps, id: string): Promise<Json> {
  return inTurn(deps, id, async () => {
    const row = findRow(deps, id)
    const standing = await readStanding(deps, row)
    return {
      hasConflict: standing.clashing.length > 0,
      ...ifKnown('baseCommitHash', row.baseCommitHash),
      ...ifKnown('currentHash', standing.head),
      repoChangedFiles: standing.repoChanged,
      sandboxChangedFiles: standing.sandboxChanged,
      conflictingFiles: standing.clashing,
      checkedAt: new Date().toISOString(),
    }
  })
}

const ifKnown = (name: string, hash: string | null): Json => (hash === null ? {} : { [name]: hash })

const FINISHED = ['creating', 'approved', 'rejected', 'error', 'deleted']

async function readStanding(deps: Deps, row: Row): Promise<Standing> {
  return asDriver('the project cannot be compared', async () => {
    const { git } = deps.driver.baseOf(row.id)
    const project = await readProjectGit(git, row.scopePath)
    const head = project?.head ?? null
    const repoChanged = [...(await deps.driver.committedSince(row.scopePath, row.baseCommitHash))].toSorted()
    // A decided sandbox lands nothing more, so nothing can clash.
    if (FINISHED.includes(row.status) || row.baseTree === null)
      return { head, repoChanged, sandboxChanged: [], clashing: [] }
    const { reading } = await readSandbox(deps, row, row.baseTree)
    const sandboxChanged = reading.changes.map((each) => each.path)
    return {
      head,
      repoChanged,
      sandboxChanged,
      clashing: await findDrift(row.scopePath, reading.changes, false),
    }
  })
}

/**
 * RebaseResult of the contract. Merges nothing: for the files the sandbox changed, what the project holds now
 * becomes the base, so the next diff shows the way from there and an approval is judged against it.
 */
export function rebaseSandbox(deps: Deps, id: string, body: RebaseBody): Promise<Json> {
  return inTurn(deps, id, async () => {
    const row = findRow(deps, id)
    if (row.status !== 'active' && row.status !== 'stopped') throw wrongState('rebase', row.status)
    const { baseTree } = row
    if (baseTree === null) throw wrongState('rebase', row.status)
    const standing = await readStanding(deps, row)
    const known = { strategy: body.strategy, ...ifKnown('previousBaseHash', row.baseCommitHash) }
    if (standing.head === null) {
      const error = 'the project is not in a git repository with a commit'
      return { success: false, ...known, error, rebasedAt: new Date().toISOString() }
    }
    const newTree = await asDriver('the new base cannot be read', () =>
      treeFromProject(deps.driver.baseOf(id), baseTree, row.scopePath, standing.sandboxChanged),
    )
    await change(deps, row, { baseTree: newTree, baseCommitHash: standing.head })
    deps.log.info({ sandbox_id: id, actor: body.actor, base: standing.head }, 'sandbox rebased')
    return {
      success: true,
      ...known,
      newBaseHash: standing.head,
      repoChangedFiles: standing.repoChanged,
      conflictingFiles: standing.clashing,
      rebasedAt: new Date().toISOString(),
    }
  })
}

/** `tree` with the given paths as they stand in the project's folder, byte for byte. */
async function treeFromProject(
  base: BaseGit,
  tree: string,
  folder: string,
  paths: readonly string[],
): Promise<string> {
  const project: BaseGit = { ...base, workspace: folder }
  const index = await emptyIndex(base, 'rebase.index')
  await inBase(base, ['read-tree', tree], { index })
  const present: string[] = []
  const absent: string[] = []
  for (const path of paths) ((await isFileInFolders(folder, path)) ? present : absent).push(path)
  const input = (some: readonly string[]) => joinNul(some.map((path) => Buffer.from(path).toString('latin1')))
  await inBase(project, ['update-index', '--force-remove', '-z', '--stdin'], { index, input: input(absent) })
  const adding = ['update-index', '--add', '--replace', '-z', '--stdin']
  await inBase(project, adding, { index, input: input(present) })
  return firstLine(await inBase(base, ['write-tree'], { index }))
}

/** A file or link, reached over real folders only; anything else counts as absent. */
async function isFileInFolders(folder: string, path: string): Promise<boolean> {
  const segments = path.split('/')
  for (let length = 1; length <= segments.length; length += 1) {
    const info = await lstatOrNull(join(folder, ...segments.slice(0, length)))
    if (info === null) return false
    if (length < segments.length ? !info.isDirectory() : !(info.isFile() || info.isSymbolicLink()))
      return false
  }
  return true
}

async function lstatOrNull(path: string) {
  try {
    return await lstat(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}
