/**
 * The project port: what approval needs of the project's own git repository. The commit is ours, not the
 * sandbox service's, so that both services give the same result (api-v1, Commit).
 */
export interface CommitRequest {
  readonly projectRoot: string
  /** Paths relative to the project root, as the diff names them. */
  readonly paths: readonly string[]
  /** The reviewed unified diff (a/ b/ prefixes, relative to the project root). */
  readonly patch: string
  /** Whole message, trailers included. */
  readonly message: string
  /** `Name <mail>`. */
  readonly author: string
}

/** What was seen before landing; opaque to everybody but the adapter, and plain JSON so it can be stored. */
export interface CommitPlan {
  readonly head: string
  /** `refs/heads/x`, or null on a detached HEAD. */
  readonly branch: string | null
  /** Paths whose work-tree file equals HEAD's: committed from the work tree after landing. */
  readonly clean: readonly string[]
  /** Paths that were dirty: committed by applying the patch to HEAD's blob. */
  readonly dirty: readonly string[]
}

export type PlanResult =
  | { readonly ok: true; readonly plan: CommitPlan }
  | {
      readonly ok: false
      readonly reason: 'not_git' | 'busy' | 'dirty' | 'unborn'
      readonly message: string
      readonly paths: readonly string[]
    }

export interface ProjectRepo {
  /** Whether the folder lies in a git work tree. */
  isWorkTree(projectRoot: string): Promise<boolean>
  /**
   * Folders that hold the repository's objects, those it borrows included: what an agent must be able to read
   * for its private git metadata to work. Empty outside a work tree.
   */
  objectFolders(projectRoot: string): Promise<string[]>
  /** Before landing: can these paths be committed on top of HEAD? Changes nothing. */
  plan(request: Pick<CommitRequest, 'projectRoot' | 'paths' | 'patch'>): Promise<PlanResult>
  /** After landing: writes the commit object and returns its hash; moves no ref. */
  write(request: CommitRequest, plan: CommitPlan): Promise<string>
  /**
   * Moves HEAD (its branch) from the planned commit to `commit` and refreshes the index entries of the
   * committed paths. Idempotent: `ok` when HEAD already holds the commit. `moved` when somebody else moved
   * HEAD meanwhile: nothing was changed.
   */
  publish(
    request: Pick<CommitRequest, 'projectRoot' | 'paths'>,
    plan: CommitPlan,
    commit: string,
  ): Promise<'ok' | 'moved'>
}
