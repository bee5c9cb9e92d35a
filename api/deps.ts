/**
 * What the HTTP boundary asks of the product: use cases, no SQL, no processes. cmd/agent-manager wires them.
 * Every method throws AppError for the caller's mistakes (errors.ts lists the codes).
 */

import type { ApprovalResult, ApproveRequest, RunDiff } from '../internal/approval/approval-service.ts'
import type { Artifact, OpenArtifact } from '../internal/artifact/artifact.ts'
import type { EventType, PayloadName, StoredEvent } from '../internal/event/event.ts'
import type { WideRequest } from '../internal/event/wide-feed.ts'
import type { Explanation } from '../internal/explain/explain.ts'
import type { HealthReport } from '../internal/health.ts'
import type { KeyedRequest } from '../internal/idempotency/idempotency.ts'
import type { Begun } from '../internal/idempotency/idempotency-service.ts'
import type { Interaction, InteractionAnswer } from '../internal/interaction/interaction.ts'
import type { Logger } from '../internal/log.ts'
import type { Metrics } from '../internal/metrics.ts'
import type { Page, PageRequest } from '../internal/page.ts'
import type {
  NewProfile,
  Profile,
  ProfileFilter,
  ProfileUpdate,
  ProfileVersion,
} from '../internal/profile/profile.ts'
import type { IfMatch } from '../internal/revision.ts'
import type { Run, RunFilter, RunStatus } from '../internal/run/run.ts'
import type { StoppedRuns } from '../internal/run/run-ending.ts'
import type { RunInput } from '../internal/run/run-input.ts'
import type { RunPlan, RunWish } from '../internal/run/run-plan.ts'
import type { NewRun } from '../internal/run/run-service.ts'
import type { Delta, RunnerType } from '../internal/runner/port.ts'
import type { RunnerView } from '../internal/runner/registry.ts'
import type { RunnerCheck } from '../internal/runner/runner-check.ts'
import type { NewTask, Task, TaskFilter, TaskStatus, TaskUpdate } from '../internal/task/task.ts'
import type { TranscriptPage } from '../internal/transcript/transcript-service.ts'
import type { StreamKind, StreamLimits } from './limits.ts'

export interface ProfileUseCases {
  /** `id`: creating the same id again answers the profile of the first time. */
  create(profile: NewProfile, id?: string): Promise<Profile>
  ensure(request: {
    profileKey: string
    defaults: NewProfile | null
    updateExisting: boolean
  }): Promise<{ profile: Profile; created: boolean; updated: boolean }>
  get(id: string): Promise<Profile>
  list(filter: ProfileFilter, page: PageRequest): Promise<Page<Profile>>
  /** A new version where anything differs. Throws PRECONDITION_FAILED, CONFLICT_DUPLICATE. */
  update(id: string, wanted: ProfileUpdate, ifMatch: IfMatch): Promise<Profile>
  /** Repeating it is harmless. Throws PRECONDITION_FAILED. */
  setArchived(id: string, isArchived: boolean, ifMatch: IfMatch): Promise<Profile>
  /** Repeating it is harmless; versions stay. Throws PRECONDITION_FAILED. */
  delete(id: string, ifMatch: IfMatch): Promise<void>
  versions(id: string, page: PageRequest): Promise<Page<ProfileVersion>>
  /** Throws NOT_FOUND_PROFILE_VERSION. */
  version(id: string, version: number): Promise<ProfileVersion>
}

export interface TaskUseCases {
  /** `id`: creating the same id again answers the task of the first time. */
  create(task: NewTask, id?: string): Promise<Task>
  get(id: string): Promise<Task>
  list(filter: TaskFilter, page: PageRequest): Promise<Page<Task>>
  /** Throws PRECONDITION_FAILED; STATE_TRANSITION_INVALID where it would move away from under its runs. */
  update(id: string, wanted: TaskUpdate, ifMatch: IfMatch): Promise<Task>
  /** Repeating it is harmless. Throws PRECONDITION_FAILED; STATE_TRANSITION_INVALID while it has unfinished runs. */
  delete(id: string, ifMatch: IfMatch): Promise<void>
}

export interface TaskCancelUseCase {
  /** Durable intent to stop every run. Throws PRECONDITION_FAILED, STATE_TERMINAL, STATE_TRANSITION_INVALID. */
  cancel(id: string, actor: string, ifMatch: IfMatch): Promise<Task>
}

export interface RunUseCases {
  /** `id`: creating the same id again answers the run of the first time, as it is now (`replayed`). */
  create(request: NewRun, id?: string): Promise<{ run: Run; replayed: boolean }>
  get(id: string): Promise<Run>
  list(filter: RunFilter, page: PageRequest): Promise<Page<Run>>
  /** The newest of exactly this tag. Throws NOT_FOUND_RUN. */
  getByTag(tag: string): Promise<Run>
  /** Durable intent; the run is cancelled a moment later. Throws STATE_TERMINAL on a finished run. */
  stop(id: string, actor: string): Promise<Run>
  /** What `create` would do and every reason it would refuse; nothing is made. */
  preflight(request: RunWish): Promise<RunPlan>
  /**
   * A finished run once more, as a new one; `newId` again answers the run of the first time. Throws
   * STATE_TRANSITION_INVALID while it is not finished.
   */
  retry(id: string, change: { prompt: string | null; tag: string | null }, newId?: string): Promise<Run>
  /**
   * A new run with the files and the conversation of this one at the end of a turn. Throws STATE_TRANSITION_INVALID
   * before its first turn is over, STATE_NO_DIFF where its files were not kept.
   */
  fork(id: string, request: { message: string | null; fromTurn: number | null }, newId?: string): Promise<Run>
}

export interface RunEndingUseCases {
  /** Stops the newest of exactly this tag. Throws NOT_FOUND_RUN and what `stop` throws. */
  stopByTag(tag: string, actor: string): Promise<Run>
  /** Stops what is not finished; repeating it is harmless. */
  stopAll(tagPrefix: string | null, actor: string): Promise<StoppedRuns>
  /** Out of sight; the log stays. Repeating it is harmless. Throws STATE_TRANSITION_INVALID while not finished. */
  delete(id: string, actor: string): Promise<void>
}

export interface ConversationUseCases {
  /** Durable intent to end the turn; the run stays. Throws STATE_TERMINAL, STATE_TRANSITION_INVALID. */
  interrupt(id: string, actor: string): Promise<Run>
  /**
   * Tells the agent more: in a turn of its own after this one, or at once (`steer`). A finished or reviewable run
   * goes on. `inputId`: saying the same one again says nothing new. Throws NOT_FOUND_RUN, RUNNER_CAPABILITY (422), STATE_TRANSITION_INVALID.
   */
  continue(
    id: string,
    request: { message: string; delivery: 'queue' | 'steer'; actor: string | null },
    inputId?: string,
  ): Promise<{ run: Run; input: RunInput }>
  /** Inputs of a run, oldest first. Throws NOT_FOUND_RUN. */
  inputs(id: string, page: PageRequest): Promise<Page<RunInput>>
  /** Throws NOT_FOUND_INPUT; STATE_INPUT_DELIVERED when it is not queued any more. */
  editInput(id: string, inputId: string, message: string): Promise<RunInput>
  /** Repeating it is harmless. Throws NOT_FOUND_INPUT, STATE_INPUT_DELIVERED. */
  cancelInput(id: string, inputId: string): Promise<RunInput>
}

export interface InteractionUseCases {
  /** All interactions of a run, oldest first; counts as somebody looking. Throws NOT_FOUND_RUN. */
  list(runId: string): Promise<readonly Interaction[]>
  /** The open ones, for a watcher that just attached; counts as somebody looking. */
  pending(runId: string): Promise<readonly Interaction[]>
  /** The open ones of these runs (at most 1000), oldest first; counts as somebody looking at each. */
  pendingOf(runIds: readonly string[]): Promise<readonly Interaction[]>
  /**
   * The same answer again is fine. Throws NOT_FOUND_INTERACTION; STATE_INTERACTION_CLOSED when it was answered
   * otherwise, expired or was withdrawn; VALIDATION_FIELD for an answer that does not fit the kind.
   */
  answer(runId: string, interactionId: string, answer: InteractionAnswer, actor: string): Promise<Interaction>
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
  /**
   * Watches many runs: those with a cursor are replayed above it, the others start live, those that appear later
   * start at 1. Each run comes in order and whole; `deliver` as above. Runs a cursor names that are not there, or
   * not selected, are missing in the answer. Throws SUBSCRIPTION_TOO_WIDE; the same may come later by `failed`.
   */
  subscribeMany(request: WideRequest): Promise<{
    /** Unfinished runs and those with a cursor. */
    runs: readonly {
      readonly runId: string
      readonly from: number
      readonly through: number
      readonly status: RunStatus
      readonly pendingInteractions: number
    }[]
    /** Whether events of this run come this way. */
    covers(runId: string): boolean
    close(): void
  }>
  /** What a status event makes of the run's task; null: nothing, another run decides. */
  taskStatus(event: StoredEvent): Promise<{ taskId: string; status: TaskStatus } | null>
  /** Where a run and its log stand. Throws NOT_FOUND_RUN. */
  position(runId: string): Promise<{ lastSequence: number; status: RunStatus }>
}

export interface ReviewUseCases {
  diff(runId: string): Promise<RunDiff>
  /** Throws STATE_DIFF_CHANGED, STATE_CONFLICT (extra.conflicts), STATE_PROJECT_DIRTY, STATE_TRANSITION_INVALID. */
  approve(runId: string, request: ApproveRequest): Promise<{ result: ApprovalResult; run: Run }>
  reject(runId: string, request: { actor: string | null; reason: string | null }): Promise<Run>
}

export interface RunnerUseCases {
  list(): Promise<readonly RunnerView[]>
  /** Those that this build has an adapter for. */
  readonly types: readonly RunnerType[]
  /** Looks at one thoroughly, without asking a model; at most half a minute, never throws. */
  check(type: RunnerType): Promise<RunnerCheck>
}

export interface TranscriptUseCases {
  /** The conversation above a number, rebuilt from the log. Throws NOT_FOUND_RUN. */
  page(runId: string, request: { afterSequence: number; limit: number }): Promise<TranscriptPage>
}

export interface ExplainUseCases {
  /** Throws NOT_FOUND_RUN. */
  explain(runId: string): Promise<Explanation>
}

export interface ArtifactUseCases {
  /** What a run left, as bytes to fetch. Throws NOT_FOUND_RUN. */
  list(runId: string): Promise<readonly Artifact[]>
  /** Throws NOT_FOUND_ARTIFACT. */
  open(id: string): Promise<OpenArtifact>
}

export interface IdempotencyUseCase {
  /**
   * Whether the request is the first of its key, or what the first one was answered; waits while that one is being
   * carried out. Throws IDEMPOTENCY_MISMATCH, STATE_IDEMPOTENCY_IN_FLIGHT.
   */
  begin(request: KeyedRequest): Promise<Begun>
}

/** The other end of a connection, as the socket names it. */
export interface Peer {
  readonly address: string
  readonly port: number
  /** The port of this service that it connected to. */
  readonly localPort: number
}

/** What one replica takes; 0 requests a second: as many as come. */
export interface RequestLimits {
  /** Of one request. */
  readonly bodyBytes: number
  /** Of all requests that are being served. At least `bodyBytes`. */
  readonly allBodiesBytes: number
  /** Served at once. */
  readonly requests: number
  /** Requests a second of one address; of one principal; of one principal to what is expensive. */
  readonly perAddress: number
  readonly perPrincipal: number
  readonly expensivePerPrincipal: number
  /** Other limits of streams than those of limits.ts. */
  readonly streams?: Partial<StreamLimits>
  /** Other numbers of open streams than those of limits.ts. */
  readonly open?: Partial<Record<StreamKind, number>>
}

export interface ApiDeps {
  readonly log: Logger
  readonly version: string
  readonly metrics: Metrics
  readonly limits: RequestLimits
  /** The metrics as text for a scraper. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>
  readonly profiles: ProfileUseCases
  readonly idempotency: IdempotencyUseCase
  readonly tasks: TaskUseCases
  readonly taskCancel: TaskCancelUseCase
  readonly runs: RunUseCases
  readonly ending: RunEndingUseCases
  readonly conversation: ConversationUseCases
  readonly events: EventUseCases
  readonly review: ReviewUseCases
  readonly interactions: InteractionUseCases
  readonly transcripts: TranscriptUseCases
  readonly explain: ExplainUseCases
  readonly artifacts: ArtifactUseCases
  /**
   * Whether a peer on this machine is a process of a run. It must say yes where it cannot tell, and where nobody
   * holds the connection any more: else whoever hangs up after asking gets what was asked. Throwing refuses too.
   * A no is kept for the life of the connection.
   */
  isAgent(peer: Peer): boolean | Promise<boolean>
  /** Turns the database's own failures into DATABASE_CONNECTION; everything else comes back as it is. */
  asAppError(error: unknown): unknown
  readonly runners: RunnerUseCases
  readonly health: { report(): Promise<HealthReport> }
}
