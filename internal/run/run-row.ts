/** A row of runs as the product sees it. */
import type { Selectable } from 'kysely'
import type { RunsTable } from '../db/tables.ts'
import type { RunnerType } from '../runner/port.ts'
import { ConfigSourcesSchema, FailureSchema, RunConfigSchema, SummarySchema } from '../stored-json.ts'
import { type DiffSummary, isFinal, PHASE_PERCENT, type Run, type WaitingOn } from './run.ts'

export function toRun(row: Selectable<RunsTable>): Run {
  const config = RunConfigSchema.parse(JSON.parse(row.config))
  return {
    id: row.id,
    taskId: row.task_id,
    profileId: row.profile_id,
    profileVersion: row.profile_version,
    tag: row.tag,
    mode: row.mode,
    status: row.status,
    phase: row.phase,
    progressPercent: PHASE_PERCENT[row.phase],
    turn: row.turn,
    attempt: row.attempt,
    stopping: row.stop_requested_at !== null && !isFinal(row.status),
    pendingInteractions: row.pending_interactions,
    waitingOn: waitingOn(row, config.runnerType),
    config,
    configSources: ConfigSourcesSchema.parse(JSON.parse(row.config_sources)),
    sandboxId: row.sandbox_id,
    sandboxGeneration: row.sandbox_generation,
    sessionId: row.session_id,
    resumeMode: row.resume_mode,
    runnerVersion: row.runner_version,
    contained: row.contained,
    approvalState: row.approval_state,
    approvedBy: row.approved_by,
    approvedAt: row.approved_at,
    failure: row.failure === null ? null : FailureSchema.parse(JSON.parse(row.failure)),
    summary: row.summary === null ? null : SummarySchema.parse(JSON.parse(row.summary)),
    usage: {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cacheReadTokens: row.cache_read_tokens,
      cacheCreationTokens: row.cache_creation_tokens,
      totalCostUsd: row.total_cost_usd,
    },
    costSource: row.total_cost_usd === null ? 'unknown' : 'runner_reported',
    diff: diffSummary(row),
    idempotencyKey: row.idempotency_key,
    retryOf: row.retry_of,
    forkOf:
      row.fork_of === null || row.fork_turn === null ? null : { runId: row.fork_of, turn: row.fork_turn },
    lastSeq: row.last_seq,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    lastHeartbeat: row.last_heartbeat_at,
  }
}

function diffSummary(row: Selectable<RunsTable>): DiffSummary | null {
  const { diff_digest: digest, diff_files: files, diff_additions: additions, diff_deletions: deletions } = row
  if (digest === null || files === null || additions === null || deletions === null) return null
  return { digest, files, additions, deletions }
}

/** For a person first: a run that is parked for an answer needs no slot before it is there. */
function waitingOn(row: Selectable<RunsTable>, runner: RunnerType): WaitingOn | null {
  if (row.pending_interactions > 0) {
    const open = row.pending_interactions === 1 ? 'an answer' : `${row.pending_interactions} answers`
    return {
      kind: 'interaction',
      detail: `waits for ${open} of a person`,
      since: row.interaction_since ?? row.updated_at,
      estimate: null,
    }
  }
  if (row.status !== 'pending') return null
  return {
    kind: 'capacity',
    detail: `waits for a free ${runner} slot`,
    since: row.updated_at,
    estimate: null,
  }
}
