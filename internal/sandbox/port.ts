/**
 * The sandbox port: what the engine and the approval need of the workspace-sandbox service. Adapters turn
 * that service's HTTP and its faults into these values. Every call has an absolute deadline of its own.
 */
export interface Sandbox {
  readonly id: string
  /** Where the agent works: the sandbox's view of the whole project root. */
  readonly mergedDir: string
  readonly driver: string
}

export type ChangeType = 'added' | 'modified' | 'deleted'

export interface SandboxFile {
  /** The service's id of the file. */
  readonly id: string
  /** Relative to the project root. */
  readonly path: string
  readonly changeType: ChangeType
}

export interface SandboxDiff {
  readonly files: readonly SandboxFile[]
  /** The unified diff, byte for byte as the service sent it. */
  readonly text: string
}

export type SandboxState = 'active' | 'stopped' | 'approved' | 'rejected' | 'error' | 'gone'

/** A sandbox that belongs to this installation, whatever became of the run it was made for. */
export interface OwnedSandbox {
  readonly id: string
  /** The key it was made under, perhaps with `~n` at its end. */
  readonly key: string | null
  /** By the service's clock. */
  readonly createdAt: Date
  readonly state: SandboxState
}

export type ApplyResult =
  | { readonly ok: true; readonly applied: number }
  | {
      readonly ok: false
      /**
       * `conflict`: the project moved on or the patch does not apply. `unable`: this service can never land
       * these changes. Nothing was applied in either case, and asking again gives the same answer.
       */
      readonly reason: 'conflict' | 'unable'
      readonly message: string
      readonly paths: readonly string[]
    }

export interface SandboxService {
  /** Where it is, for messages. */
  readonly url: string
  /**
   * Never rejects. Without a deadline (ms) an answer of the last moments will do; with one it is asked anew and given up
   * then.
   */
  health(deadlineMs?: number): Promise<{ readonly ok: boolean; readonly message: string }>
  /** Idempotent by key. Throws SANDBOX_UNAVAILABLE (nothing made) or SANDBOX_OPERATION. */
  create(request: {
    readonly key: string
    readonly owner: string
    readonly projectRoot: string
  }): Promise<Sandbox>
  state(id: string): Promise<SandboxState>
  /** Saves resources only; a sandbox that would lose work by it is left as it is. */
  stop(id: string): Promise<void>
  /** A reading of the changes; nobody may be writing. */
  diff(id: string): Promise<SandboxDiff>
  /**
   * Lands everything in the project, all or nothing, and looks whether it is there. Idempotent: an approved
   * sandbox answers ok. Throws SANDBOX_OPERATION, naming the paths, when the project does not hold what the
   * service says it landed.
   */
  applyAll(
    id: string,
    request: {
      readonly actor: string
      readonly expected: readonly SandboxFile[]
      /** Real path. */
      readonly projectRoot: string
    },
  ): Promise<ApplyResult>
  reject(id: string, actor: string): Promise<void>
  /** Idempotent: a sandbox that is gone is deleted. */
  delete(id: string): Promise<void>
  /** The sandboxes of this installation that were not deleted; one still being made may be missing. */
  listOwned(): Promise<readonly OwnedSandbox[]>
}
