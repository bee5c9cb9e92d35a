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

export type ApplyResult =
  | { readonly ok: true; readonly applied: number }
  /** The project moved on or the patch does not apply; the project is untouched. */
  | {
      readonly ok: false
      readonly reason: 'conflict'
      readonly message: string
      readonly paths: readonly string[]
    }

export interface SandboxService {
  /** Where it is, for messages. */
  readonly url: string
  health(): Promise<{ readonly ok: boolean; readonly message: string }>
  /** Idempotent by key. Throws SANDBOX_UNAVAILABLE (nothing made) or SANDBOX_OPERATION. */
  create(request: {
    readonly key: string
    readonly owner: string
    readonly projectRoot: string
  }): Promise<Sandbox>
  state(id: string): Promise<SandboxState>
  stop(id: string): Promise<void>
  /** A reading of the changes; nobody may be writing. */
  diff(id: string): Promise<SandboxDiff>
  /** Lands everything in the project, all or nothing. Idempotent: an approved sandbox answers ok. */
  applyAll(
    id: string,
    request: { readonly actor: string; readonly expected: readonly SandboxFile[] },
  ): Promise<ApplyResult>
  reject(id: string, actor: string): Promise<void>
  /** Idempotent: a sandbox that is gone is deleted. */
  delete(id: string): Promise<void>
}
