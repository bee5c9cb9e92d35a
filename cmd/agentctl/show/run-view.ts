/** A run in full, and runs as a list. */
import type { Run } from '../../../api/client/index.ts'
import type { Paint } from '../terminal.ts'
import { oneLine, safe } from './safe.ts'
import { facts, table } from './table.ts'
import { ago, approvalWord, plural, runnerWord, statusWord } from './words.ts'

export function runText(run: Run, paint: Paint): string {
  const { usage, waiting_on: waiting, failure, diff } = run
  const cost = usage.total_cost_usd === null ? '' : `, $${usage.total_cost_usd.toFixed(4)}`
  return facts([
    ['run', run.id],
    ['status', `${statusWord(run.status, paint)}${run.stopping ? ' (stopping)' : ''}`],
    ['task', run.task_id],
    ['tag', run.tag === run.id ? null : safe(run.tag)],
    ['agent', `${runnerWord(run.resolved_config.runner_type)} ${run.runner_version ?? ''}`.trim()],
    ['model', run.resolved_config.model],
    ['turn', `${run.turn}${run.attempt > 1 ? `, attempt ${run.attempt}` : ''}`],
    ['contained', run.contained],
    ['waiting', waiting === null ? null : `${waiting.kind}: ${safe(waiting.detail)}`],
    ['asks', run.pending_interactions === 0 ? null : plural(run.pending_interactions, 'question')],
    ['failure', failure === null ? null : `${failure.code}: ${safe(failure.message)}`],
    [
      'changes',
      diff === null ? null : `${plural(diff.files, 'file')}, +${diff.additions} -${diff.deletions}`,
    ],
    ['decision', run.approval_state.endsWith('_NONE') ? null : approvalWord(run.approval_state)],
    ['used', `${usage.input_tokens + usage.output_tokens} tokens${cost}`],
    ['created', ago(run.created_at)],
    ['said', run.summary === null ? null : oneLine(run.summary.description)],
  ])
}

export function runTable(runs: readonly Run[], paint: Paint, columns: number): string {
  if (runs.length === 0) return 'No runs.'
  const rows = runs.map((run) => [
    run.id,
    statusWord(run.status, paint),
    runnerWord(run.resolved_config.runner_type),
    ago(run.created_at),
    run.tag === run.id ? '' : oneLine(run.tag, 40),
  ])
  return table(['RUN', 'STATUS', 'AGENT', 'CREATED', 'TAG'], rows, columns)
}

/** What a person would do next; null when there is nothing to do. */
export function nextStep(run: Run): string | null {
  switch (run.status) {
    case 'RUN_STATUS_NEEDS_REVIEW':
      return `Look at it: agentctl run diff ${run.id}\nThen: agentctl run approve ${run.id}, or reject, or continue`
    case 'RUN_STATUS_FAILED':
      return `Why: agentctl run explain ${run.id}\nAgain: agentctl run retry ${run.id}`
    case 'RUN_STATUS_COMPLETE':
    case 'RUN_STATUS_CANCELLED':
      return null
    case 'RUN_STATUS_PENDING':
    case 'RUN_STATUS_STARTING':
    case 'RUN_STATUS_RUNNING':
      return `Watch it: agentctl run watch ${run.id}`
  }
}
