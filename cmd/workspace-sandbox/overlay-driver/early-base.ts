/**
 * The part of the base that a diff needs, read while the whole of it is still being read. What the agent touched is
 * known from the upper layer; where the project was not changed since the start, the project still holds what the
 * base will have there. The diff against this part is the diff against the whole. It has a repository of its own.
 */
import { lstat, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isErrno } from '../failure.ts'
import { type BaseGit, changeIndex, inBase, initBaseGit } from '../git-base/base-git.ts'
import { firstLine } from '../git-base/git.ts'
import type { ProjectGit } from '../git-base/project-git.ts'
import { effectiveRules, writeOuterRules } from '../git-base/start-rules.ts'
import { toText } from './ignore-files.ts'
import { findIgnored, readUpper } from './read-upper.ts'
import { findTouched, type Touched, unchangedSince } from './touched-places.ts'
import type { Layers } from './upper-walk.ts'

/** What was found when the sandbox was made. */
export interface StartFacts {
  readonly project: ProjectGit | null
  /** By the file system's clock, in nanoseconds since 1970. */
  readonly ns: bigint
}

export interface EarlyTrees {
  /** What of the base the diff needs. */
  readonly baseTree: string
  readonly tree: string
}

interface Place {
  /** Its workspace is the project's folder. */
  readonly early: BaseGit
  /** Of the mounted workspace. */
  readonly layers: Layers & { readonly live: string }
  readonly facts: StartFacts
  /** Absolute path of an empty folder. */
  readonly nothing: string
}

/** The clock of a file system moves in ticks of up to 10 ms: what is older by this was there before for sure. */
const MARGIN_NS = 20_000_000n

/** @returns null when only the whole base can tell */
export async function readEarly(place: Place): Promise<EarlyTrees | null> {
  const { early, layers, nothing } = place
  const look = () => findTouched(early.workspace, layers.upper, layers.live)
  const touched = await look()
  const baseTree = touched === null ? null : await readPart(place, touched)
  if (touched === null || baseTree === null) return null
  const tree = await readUpper({ ...early, workspace: layers.upper }, layers, baseTree, nothing)
  // An agent at work may have touched more by now than the part was read for.
  const again = await look()
  return again !== null && sameNames(again.files, touched.files) ? { baseTree, tree } : null
}

async function readPart({ early, facts, nothing }: Place, touched: Touched): Promise<string | null> {
  const { project } = facts
  const limit = facts.ns - MARGIN_NS
  await rm(early.dir, { recursive: true, force: true })
  await initBaseGit(early, project?.objectFormat ?? 'sha1', project?.objectsDir ?? null)
  const outer = await writeOuterRules(early, project)
  const tracked = (paths: readonly string[]) => readTracked(early, project, paths, limit)
  const ruleFiles = await withoutIgnored(early, touched.ruleFiles, tracked)
  if (ruleFiles === null) return null
  const named = ruleFiles.flatMap((path) => toText(path) ?? [])
  await writeFile(join(early.dir, 'info', 'exclude'), await effectiveRules(early, outer, named))
  const files = await withoutIgnored({ ...early, workspace: nothing }, touched.files, tracked)
  if (files === null) return null
  await changeIndex(early, ['--add', '--remove', '--replace'], files)
  const tree = firstLine(await inBase(early, ['write-tree']))
  // Asked last: what changes from now on was not yet changed when it was read.
  const outside = project === null && (await changedAt(join(early.workspace, '.agentignore'))) !== null
  const places = [...touched.folders, ...touched.files, ...touched.ruleFiles]
  if (outside) places.push('.agentignore')
  return (await unchangedSince(early.workspace, places, limit)) ? tree : null
}

type Tracked = (paths: readonly string[]) => Promise<ReadonlySet<string> | null>

/** What a rule ignores is in the base only where the project tracks it. @returns null when that is not known */
async function withoutIgnored(
  rules: BaseGit,
  paths: readonly string[],
  readTracked: Tracked,
): Promise<string[] | null> {
  const ignored = await findIgnored(rules, paths)
  const tracked = await readTracked([...ignored])
  return tracked && paths.filter((path) => !ignored.has(path) || tracked.has(path))
}

/** Which of the paths the project's index had at the start. @returns null when that cannot be asked */
async function readTracked(
  early: BaseGit,
  project: ProjectGit | null,
  paths: readonly string[],
  limit: bigint,
): Promise<ReadonlySet<string> | null> {
  if (project === null || paths.length === 0) return new Set()
  if (project.indexFile === null || paths.some((path) => path.includes('\n'))) return null
  // More than one stage: in a merge that is not resolved.
  const names = paths.flatMap((path) => STAGES.map((stage) => `:${stage}:./${path}\n`))
  const { stdout } = await early.git({
    cwd: early.workspace,
    args: ['--no-optional-locks', 'cat-file', '--batch-check=%(objecttype)'],
    input: Buffer.from(names.join(''), 'latin1'),
  })
  const answers = stdout.toString('latin1').split('\n')
  const tracked = paths.filter((_, at) =>
    STAGES.some((_stage, stage) => answers[at * STAGES.length + stage] === 'blob'),
  )
  const changed = await changedAt(project.indexFile)
  return changed !== null && changed < limit ? new Set(tracked) : null
}

const STAGES = [0, 1, 2, 3]

/** @returns nanoseconds since 1970; null when there is no such file */
async function changedAt(path: string): Promise<bigint | null> {
  try {
    return (await lstat(path, { bigint: true })).ctimeNs
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

const sameNames = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((name, at) => name === others[at])
