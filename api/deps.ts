/**
 * What the HTTP boundary asks of the product: use cases, no SQL, no processes. cmd/agent-manager wires them.
 * Every method throws AppError for the caller's mistakes (errors.ts lists the codes).
 */

import type { DiffFile } from '../internal/approval/diff.ts'
import type { EventType, PayloadName, StoredEvent } from '../internal/event/event.ts'
import type { Logger } from '../internal/log.ts'
import type { Page, PageRequest } from '../internal/page.ts'
import type { NewProfile, Profile, ProfileSettings } from '../internal/profile/profile.ts'
import type { Run, RunMode, RunStatus } from '../internal/run/run.ts'
import type { Delta, RunnerCapabilities, RunnerType } from '../internal/runner/port.ts'
import type { NewTask, Task } from '../internal/task/task.ts'

export interface ProfileUseCases {
  create(profile: NewProfile): Promise<Profile>
  ensure(request: {
    profileKey: string
    defaults: NewProfile | null
    updateExisting: boolean
  }): Promise<{ profile: Profile; created: boolean; updated: boolean }>
  get(id: string): Promise<Profile>
}

export interface TaskUseCases {
  create(task: NewTask): Promise<Task>
  get(id: string): Promise<Task>
}

export interface NewRun {
  readonly taskId: string
  /** At most one of the two; neither: everything is inline, lever or default. */
  readonly profileId: string | null
  readonly profileRef: { readonly profileKey: string; readonly defaults: NewProfile | null } | null
  readonly tag: string | null
  readonly runMode: RunMode | null
  readonly inlineConfig: ProfileSettings
  readonly force: boolean
  readonly prompt: string | null
  readonly idempotencyKey: string | null
}

export interface RunFilter {
  readonly status: RunStatus | null
  readonly taskId: string | null
  readonly profileId: string | null
  readonly tagPrefix: string | null
}

export interface RunUseCases {
  /** `replayed`: the idempotency key was used before with the same request. */
  create(request: NewRun): Promise<{ run: Run; replayed: boolean }>
  get(id: string): Promise<Run>
  list(filter: RunFilter, page: PageRequest): Promise<Page<Run>>
  /** Durable intent; the run is cancelled a moment later. Throws STATE_TERMINAL on a finished run. */
  stop(id: string, actor: string): Promise<Run>
}

export interface EventUseCases {
  /** Events above `afterSequence` in order. Throws NOT_FOUND_RUN. */
  read(
    runId: string,
    query: {
      afterSequence: number
      limit: number
      types: readonly (EventType | PayloadName)[]
      raw: boolean
    },
  ): Promise<{ events: readonly (StoredEvent & { raw: string | null })[]; hasMore: boolean }>
  /**
   * Race-free attach: replays everything above `afterSequence`, then goes on live, no gap, no repeat.
   * `deliver` gets batches in order and says by its promise when it can take the next one: a slow reader is
   * served from the log and holds nobody up. Throws NOT_FOUND_RUN.
   */
  subscribe(request: {
    runId: string
    /** null: start live, at what is committed now. */
    afterSequence: number | null
    deliver(events: readonly StoredEvent[]): Promise<void>
    /** Text on its way, only while live. */
    delta?(runId: string, turn: number, delta: Delta): void
    /** The log cannot be read for too long: the subscriber should reconnect. */
    failed(error: Error): void
  }): Promise<{ from: number; through: number; status: RunStatus; close(): void }>
  /** Every committed batch of every run from now on (SUBSCRIBE_ALL without cursors). */
  subscribeAll(request: {
    deliver(events: readonly StoredEvent[]): Promise<void>
    failed(error: Error): void
  }): { close(): void }
}

export interface RunDiff {
  readonly runId: string
  readonly digest: string
  readonly content: string
  readonly generatedAt: Date
  readonly files: readonly DiffFile[]
}

export interface ApproveRequest {
  readonly actor: string | null
  readonly commitMessage: string | null
  /** null: true in a git work tree, else false. */
  readonly createCommit: boolean | null
  /** null: the digest stored when the turn ended. */
  readonly digest: string | null
}

export interface ApprovalResult {
  readonly success: boolean
  readonly filesApplied: number
  readonly hunksApplied: number
  readonly commitHash: string | null
  readonly message: string
}

export interface ReviewUseCases {
  diff(runId: string): Promise<RunDiff>
  /** Throws STATE_DIFF_CHANGED, STATE_CONFLICT (extra.conflicts), STATE_PROJECT_DIRTY, STATE_TRANSITION_INVALID. */
  approve(runId: string, request: ApproveRequest): Promise<{ result: ApprovalResult; run: Run }>
  reject(runId: string, request: { actor: string | null; reason: string | null }): Promise<Run>
}

export interface RunnerView {
  readonly type: RunnerType
  readonly available: boolean
  readonly message: string
  readonly version: string | null
  readonly versionSupported: boolean
  readonly containment: 'full' | 'process' | 'none'
  readonly capabilities: RunnerCapabilities
}

export interface HealthReport {
  readonly status: 'healthy' | 'degraded' | 'unhealthy'
  readonly readiness: boolean
  readonly dependencies: Readonly<
    Record<
      string,
      {
        readonly status: 'healthy' | 'degraded' | 'unhealthy'
        readonly message: string
        readonly latencyMs: number | null
      }
    >
  >
  readonly activeRuns: number
  readonly pendingRuns: number
}

export interface ApiDeps {
  readonly log: Logger
  readonly version: string
  readonly limits: { readonly bodyBytes: number }
  readonly profiles: ProfileUseCases
  readonly tasks: TaskUseCases
  readonly runs: RunUseCases
  readonly events: EventUseCases
  readonly review: ReviewUseCases
  /** Turns the database's own failures into DATABASE_CONNECTION; everything else comes back as it is. */
  asAppError(error: unknown): unknown
  readonly runners: { list(): Promise<readonly RunnerView[]> }
  readonly health: { report(): Promise<HealthReport> }
}
