/**
 * A run: one execution of a task under one profile version. Its status machine is this table and nothing
 * else; the database refuses any other change (migrations/0001_init.sql), and a test compares the two.
 */
import type { Failure, McpServer, PermissionMode, RunnerType, Usage } from '../runner/port.ts'

export const RUN_STATUSES = [
  'pending',
  'starting',
  'running',
  'needs_review',
  'complete',
  'failed',
  'cancelled',
] as const
export type RunStatus = (typeof RUN_STATUSES)[number]

/** From each status, where a run may go. `starting|running -> pending` is a hand-back: drain or lost lease. */
export const RUN_TRANSITIONS = {
  pending: ['starting', 'failed', 'cancelled'],
  starting: ['running', 'pending', 'failed', 'cancelled'],
  running: ['needs_review', 'complete', 'pending', 'failed', 'cancelled'],
  needs_review: ['complete', 'failed', 'cancelled', 'pending'],
  complete: ['pending'],
  failed: ['pending'],
  cancelled: ['pending'],
} as const satisfies Record<RunStatus, readonly RunStatus[]>

/** Statuses in which a replica holds a lease and drives the run. */
export const DRIVEN_STATUSES = ['starting', 'running'] as const satisfies readonly RunStatus[]
/** Statuses in which nothing more happens by itself. */
export const FINAL_STATUSES = ['complete', 'failed', 'cancelled'] as const satisfies readonly RunStatus[]

/** Statuses in which it still goes on, or waits for somebody. Index runs_unfinished. */
export const UNFINISHED_STATUSES = [
  'pending',
  'starting',
  'running',
  'needs_review',
] as const satisfies readonly RunStatus[]

export const isFinal = (status: RunStatus): boolean => FINAL_STATUSES.some((final) => final === status)
export const isDriven = (status: RunStatus): boolean => DRIVEN_STATUSES.some((driven) => driven === status)

export const RUN_PHASES = [
  'queued',
  'initializing',
  'sandbox_creating',
  'runner_acquiring',
  'executing',
  'collecting_results',
  'awaiting_review',
  'applying',
  'cleaning_up',
  'completed',
] as const
export type RunPhase = (typeof RUN_PHASES)[number]

/** Nominal progress of each phase, in percent. */
export const PHASE_PERCENT = {
  queued: 0,
  initializing: 5,
  sandbox_creating: 15,
  runner_acquiring: 25,
  executing: 50,
  collecting_results: 85,
  awaiting_review: 90,
  applying: 95,
  cleaning_up: 98,
  completed: 100,
} as const satisfies Record<RunPhase, number>

export const RUN_MODES = ['sandboxed', 'in_place'] as const
export type RunMode = (typeof RUN_MODES)[number]

export const APPROVAL_STATES = ['none', 'pending', 'partially_approved', 'approved', 'rejected'] as const
export type ApprovalState = (typeof APPROVAL_STATES)[number]

export type Contained = 'full' | 'process' | 'none'

/** Everything a turn needs to know, resolved once at creation and pinned to the run. */
export interface RunConfig {
  readonly runnerType: RunnerType
  readonly model: string | null
  readonly maxTurns: number
  /** Wall clock of one turn, in milliseconds (1 min to 24 h). */
  readonly timeoutMs: number
  /** Longest silence of the agent, in milliseconds. */
  readonly idleTimeoutMs: number
  readonly permissionMode: PermissionMode
  readonly requiresSandbox: boolean
  readonly requiresApproval: boolean
  readonly containment: 'required' | 'preferred'
  readonly network: 'allow' | 'deny'
  readonly home: 'isolated' | 'user'
  /** Names of the service's environment passed through to the agent. */
  readonly env: readonly string[]
  /** Not empty: only these tools exist, and they need no asking. */
  readonly allowedTools: readonly string[]
  readonly deniedTools: readonly string[]
  /** Globs relative to the project root that the agent may write to; empty: all. */
  readonly allowedPaths: readonly string[]
  readonly deniedPaths: readonly string[]
  /** How long a question to a person waits, in milliseconds. */
  readonly interactionTimeoutMs: number
  /** What an unanswered permission request counts as. */
  readonly interactionDefault: 'deny' | 'allow'
  /** What becomes of a turn that was cut: its session goes on, it starts over, or the run fails. */
  readonly onLost: 'resume' | 'restart' | 'fail'
  readonly mcpServers: readonly McpServer[]
  /** Whether hooks, MCP servers and agent settings that lie in the project may run. */
  readonly trustProject: boolean
}

/** Where each member of the config came from. */
export type ConfigSources = Readonly<Record<keyof RunConfig, 'inline' | 'profile' | 'lever' | 'default'>>

export interface DiffSummary {
  readonly digest: string
  readonly files: number
  readonly additions: number
  readonly deletions: number
}

export interface WaitingOn {
  readonly kind:
    | 'capacity'
    | 'scope_lock'
    | 'quota'
    | 'interaction'
    | 'budget'
    | 'policy'
    | 'runner'
    | 'sandbox'
    | 'review_backlog'
  readonly detail: string
  readonly since: Date
  readonly estimate: string | null
}

export interface RunSummary {
  readonly description: string
  readonly tokensUsed: number
  readonly turnsUsed: number
  readonly costEstimate: number | null
}

export interface Run {
  readonly id: string
  readonly taskId: string
  readonly profileId: string | null
  readonly profileVersion: number | null
  readonly tag: string
  readonly mode: RunMode
  readonly status: RunStatus
  readonly phase: RunPhase
  readonly progressPercent: number
  readonly turn: number
  readonly attempt: number
  readonly stopping: boolean
  /** Questions to a person that are open. */
  readonly pendingInteractions: number
  readonly waitingOn: WaitingOn | null
  readonly config: RunConfig
  readonly configSources: ConfigSources
  readonly sandboxId: string | null
  readonly sandboxGeneration: number
  readonly sessionId: string | null
  readonly resumeMode: 'native' | 'replayed' | 'fresh' | null
  readonly runnerVersion: string | null
  readonly contained: Contained | null
  readonly approvalState: ApprovalState
  readonly approvedBy: string | null
  readonly approvedAt: Date | null
  readonly failure: Failure | null
  readonly summary: RunSummary | null
  readonly usage: Usage
  readonly costSource: 'runner_reported' | 'unknown'
  readonly diff: DiffSummary | null
  readonly idempotencyKey: string | null
  /** The run that this one repeats. */
  readonly retryOf: string | null
  /** The run whose files and conversation this one began with, as they were at the end of that turn of it. */
  readonly forkOf: { readonly runId: string; readonly turn: number } | null
  readonly lastSeq: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly startedAt: Date | null
  readonly endedAt: Date | null
  readonly lastHeartbeat: Date | null
}

/** Which runs a list shows; null lets all through. */
export interface RunFilter {
  readonly status: RunStatus | null
  readonly taskId: string | null
  readonly profileId: string | null
  readonly tagPrefix: string | null
}

/** The last turn that is over; 0: none yet. */
export const endedTurn = ({ status, turn }: Pick<Run, 'status' | 'turn'>): number =>
  isFinal(status) || status === 'needs_review' ? turn : turn - 1

/** How a turn that ran to its end leaves the run. */
export function afterTurn(facts: { mode: RunMode; changed: boolean }): {
  status: 'needs_review' | 'complete'
  approvalState: ApprovalState
  phase: RunPhase
} {
  // An in-place run holds nothing back; a sandboxed one with changes waits for a decision, even where that
  // decision is made by the service itself because the profile requires none.
  if (facts.mode === 'sandboxed' && facts.changed) {
    return { status: 'needs_review', approvalState: 'pending', phase: 'awaiting_review' }
  }
  return { status: 'complete', approvalState: 'none', phase: 'completed' }
}
