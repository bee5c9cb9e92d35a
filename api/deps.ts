/**
 * What the HTTP boundary asks of the product: use cases, no SQL, no processes. cmd/agent-manager wires them.
 * Every method throws AppError for the caller's mistakes (errors.ts lists the codes).
 */

import type { ApprovalResult, ApproveRequest, RunDiff } from '../internal/approval/approval-service.ts'
import type { EventType, PayloadName, StoredEvent } from '../internal/event/event.ts'
import type { HealthReport } from '../internal/health.ts'
import type { Logger } from '../internal/log.ts'
import type { Page, PageRequest } from '../internal/page.ts'
import type { NewProfile, Profile } from '../internal/profile/profile.ts'
import type { Run, RunFilter, RunStatus } from '../internal/run/run.ts'
import type { NewRun } from '../internal/run/run-service.ts'
import type { Delta } from '../internal/runner/port.ts'
import type { RunnerView } from '../internal/runner/registry.ts'
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

export interface ReviewUseCases {
  diff(runId: string): Promise<RunDiff>
  /** Throws STATE_DIFF_CHANGED, STATE_CONFLICT (extra.conflicts), STATE_PROJECT_DIRTY, STATE_TRANSITION_INVALID. */
  approve(runId: string, request: ApproveRequest): Promise<{ result: ApprovalResult; run: Run }>
  reject(runId: string, request: { actor: string | null; reason: string | null }): Promise<Run>
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
