/** What the service needs of a driver. Paths are relative to the scope, with `/`, unless they say absolute. */
import type { BaseGit } from './git-base/base-git.ts'
import type { Change } from './git-base/changes.ts'
import type { LandResult } from './git-base/landing-step.ts'

export interface Made {
  readonly driver: { readonly name: string; readonly version: string }
  /** Absolute. */
  readonly mergedDir: string
  /** Tree of what the agent found; null when `finishBase` has still to read it. */
  readonly baseTree: string | null
  readonly baseCommit: string | null
}

export interface Reading {
  readonly tree: string
  readonly changes: readonly Change[]
  /** Size in bytes by object id, for added and modified files. */
  readonly sizes: ReadonlyMap<string, number>
}

/** Changes read while `finishBase` is still at work; the functions take its trees. */
export interface EarlyReading extends Pick<Driver, 'patch' | 'binaryPaths'> {
  /** The part of the base that was needed. */
  readonly baseTree: string
  readonly reading: Reading
}

/** One operation per sandbox at a time, `finishBase` aside: the caller sees to it. Trees are ids in the repository of `baseOf`. */
export interface Driver {
  /** The repository that holds the sandbox's trees. */
  baseOf(id: string): BaseGit
  /** @param scope absolute real path of the project's folder */
  create(id: string, scope: string): Promise<Made>
  /** Reads the tree that `create` left open, beside `readEarly`. May be repeated. @returns the base tree */
  finishBase(id: string, scope: string): Promise<string>
  /** Gives `show` the changes as they will be read once the base is known; null when only that can tell. */
  readEarly<T>(id: string, show: (early: EarlyReading) => Promise<T>): Promise<T | null>
  /** Makes the workspace usable again after a stop or a lost mount; nothing to do when it is. */
  start(id: string): Promise<void>
  /** Takes the workspace away from everybody, changes kept; nothing to do when it is away. */
  stop(id: string): Promise<void>
  /** Whether agents can work in its workspace. */
  isMounted(id: string): Promise<boolean>
  /** The changes since `baseTree`. */
  read(id: string, baseTree: string): Promise<Reading>
  /** Unified diff in the contract's format. @param prefix put before each path */
  patch(id: string, from: string, to: string, prefix: string): Promise<string>
  changesBetween(id: string, from: string, to: string): Promise<Change[]>
  binaryPaths(id: string, from: string, to: string): Promise<ReadonlySet<string>>
  treeWith(id: string, from: string, changes: readonly Change[]): Promise<string>
  /** Lands the step in the project, all of it or nothing. @param resumed what has landed already is fine */
  landStep(id: string, scope: string, from: string, to: string, resumed: boolean): Promise<LandResult>
  committedSince(scope: string, baseCommit: string | null): Promise<ReadonlySet<string>>
  /** Gives these paths of the workspace the content of the base again; what the base does not have goes. */
  restore(id: string, baseTree: string, paths: readonly string[]): Promise<void>
  /** The folder vanishes for everybody at once. @returns where it lies now, or null when it was absent */
  retire(id: string): Promise<string | null>
  /** `retire`, and the space is free afterwards. */
  remove(id: string): Promise<void>
}
