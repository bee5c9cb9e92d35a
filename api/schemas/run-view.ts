/** From the inside's run to the wire's. */
import type { z } from 'zod'
import type { Run, RunStatus } from '../../internal/run/run.ts'
import { APPROVAL_STATE, protoName, RUN_MODE, RUN_PHASE, RUN_STATUS } from '../dialect/enums.ts'
import { time, timeOrNull } from './common.ts'
import type { getRunAnswer, runOut } from './run.ts'
import { settingsView } from './settings-view.ts'

type RunOut = z.output<typeof runOut>

export function runView(run: Run): RunOut {
  return {
    id: run.id,
    task_id: run.taskId,
    agent_profile_id: run.profileId,
    tag: run.tag,
    idempotency_key: run.idempotencyKey,
    ...stateView(run),
    summary: summaryView(run),
    usage: usageView(run),
    ...reviewView(run),
    ...configurationView(run),
    sandbox_id: run.sandboxId,
    sandbox_generation: run.sandboxGeneration,
    session_id: run.sessionId,
    resume_mode: run.resumeMode,
    retry_of: run.retryOf,
    fork_of: run.forkOf?.runId ?? null,
    created_at: time(run.createdAt),
    updated_at: time(run.updatedAt),
    started_at: timeOrNull(run.startedAt),
    ended_at: timeOrNull(run.endedAt),
    last_heartbeat: timeOrNull(run.lastHeartbeat),
    error: run.failure?.message ?? null,
    progress: { percent: run.progressPercent, currentAction: run.waitingOn?.detail ?? run.phase },
    last_checkpoint_id: null,
    sandbox_config: null,
    diff_path: null,
    log_path: null,
    total_size_bytes: null,
  }
}

function stateView(run: Run) {
  return {
    status: protoName(RUN_STATUS, run.status),
    phase: protoName(RUN_PHASE, run.phase),
    progress_percent: run.progressPercent,
    turn: run.turn,
    attempt: run.attempt,
    stopping: run.stopping,
    waiting_on: waitingOnView(run),
    failure: failureView(run),
    error_msg: run.failure?.message ?? null,
    exit_code: run.failure?.exitCode ?? null,
    pending_interactions: run.pendingInteractions,
  }
}

export function waitingOnView({ waitingOn }: Pick<Run, 'waitingOn'>): RunOut['waiting_on'] {
  if (waitingOn === null) return null
  const { kind, detail, since, estimate } = waitingOn
  return { kind, detail, since: time(since), estimate }
}

function failureView({ failure }: Run): RunOut['failure'] {
  if (failure === null) return null
  return {
    code: failure.code,
    message: failure.message,
    recovery: failure.recovery,
    retryable: failure.retryable,
    exit_code: failure.exitCode,
    signal: failure.signal,
    stderr_tail: failure.stderrTail,
  }
}

function summaryView({ summary }: Run): RunOut['summary'] {
  if (summary === null) return null
  return {
    description: summary.description,
    files_modified: [],
    files_created: [],
    files_deleted: [],
    tokens_used: summary.tokensUsed,
    turns_used: summary.turnsUsed,
    cost_estimate: summary.costEstimate,
  }
}

function usageView({ usage, costSource }: Run): RunOut['usage'] {
  return {
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_read_tokens: usage.cacheReadTokens,
    cache_creation_tokens: usage.cacheCreationTokens,
    total_cost_usd: usage.totalCostUsd,
    cost_source: costSource,
  }
}

function reviewView({ diff, ...run }: Run) {
  return {
    approval_state: protoName(APPROVAL_STATE, run.approvalState),
    approved_by: run.approvedBy,
    approved_at: timeOrNull(run.approvedAt),
    diff: diff && {
      digest: diff.digest,
      files: diff.files,
      additions: diff.additions,
      deletions: diff.deletions,
    },
    changed_files: diff?.files ?? null,
  }
}

function configurationView(run: Run) {
  return {
    run_mode: protoName(RUN_MODE, run.mode),
    resolved_config: settingsView(run.config),
    config_sources: sourcesView(run.configSources),
    profile_version: run.profileVersion,
    runner_version: run.runnerVersion,
    contained: run.contained,
  }
}

/** Keys as the wire names the settings: `timeoutMs` is `timeout` there. */
export const sourcesView = (sources: Run['configSources']): RunOut['config_sources'] =>
  Object.fromEntries(
    Object.entries(sources).map(([name, source]) => [
      name.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      source,
    ]),
  )

/** What the oldest clients look for beside the run: the agent's work is over once there is something to review. */
const ROUGH_STATUS = {
  pending: 'running',
  starting: 'running',
  running: 'running',
  needs_review: 'completed',
  complete: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
} as const satisfies Record<RunStatus, string>

export const getRunView = (run: Run): z.output<typeof getRunAnswer> => ({
  run: runView(run),
  status: ROUGH_STATUS[run.status],
  error: run.failure?.message ?? null,
})
