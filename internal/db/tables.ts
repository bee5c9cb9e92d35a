/** The tables of migrations/ as Kysely sees them. bigint counters are read as numbers (pool.ts). */
import type { ColumnType, Generated, Kysely, Transaction } from 'kysely'
import type { InteractionKind, InteractionStatus } from '../interaction/interaction.ts'
import type { ApprovalState, Contained, RunMode, RunPhase, RunStatus } from '../run/run.ts'

type Timestamp = ColumnType<Date, Date | string | undefined, Date | string>
type NullableTimestamp = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>

export interface ProfilesTable {
  id: string
  profile_key: string
  name: string
  latest_version: number
  created_by: string | null
  created_at: Timestamp
  updated_at: Timestamp
  archived_at: NullableTimestamp
  revision: Generated<number>
  deleted_at: NullableTimestamp
}

export interface ProfileVersionsTable {
  profile_id: string
  version: number
  settings: string
  created_at: Timestamp
}

export interface TasksTable {
  id: string
  title: string
  description: string
  scope_path: string
  project_root: string
  context_attachments: string
  created_by: string | null
  created_at: Timestamp
  updated_at: Timestamp
  revision: Generated<number>
  cancelled_at: NullableTimestamp
  deleted_at: NullableTimestamp
}

export interface ReplicasTable {
  id: string
  host: string
  boot_id: string
  pid: number
  pid_started: string
  started_at: Timestamp
  stopped_at: NullableTimestamp
}

export interface RunsTable {
  id: string
  task_id: string
  profile_id: string | null
  profile_version: number | null
  tag: string
  mode: RunMode
  status: RunStatus
  phase: RunPhase
  turn: Generated<number>
  attempt: Generated<number>
  turn_attempt: Generated<number>
  stop_requested_at: NullableTimestamp
  stop_requested_by: string | null
  lease_owner: string | null
  lease_expires_at: NullableTimestamp
  last_heartbeat_at: NullableTimestamp
  last_seq: Generated<number>
  last_batch: Generated<number>
  config: string
  config_sources: string
  sandbox_id: string | null
  sandbox_generation: Generated<number>
  session_id: string | null
  resume_mode: 'native' | 'replayed' | 'fresh' | null
  runner_version: string | null
  contained: Contained | null
  approval_state: Generated<ApprovalState>
  approved_by: string | null
  approved_at: NullableTimestamp
  failure: string | null
  summary: string | null
  input_tokens: Generated<number>
  output_tokens: Generated<number>
  cache_read_tokens: Generated<number>
  cache_creation_tokens: Generated<number>
  total_cost_usd: number | null
  diff_digest: string | null
  diff_files: number | null
  diff_additions: number | null
  diff_deletions: number | null
  idempotency_key: string | null
  request_digest: string
  pending_interactions: Generated<number>
  interaction_since: NullableTimestamp
  interactions_read_at: NullableTimestamp
  interrupt_turn: number | null
  interrupt_by: string | null
  retry_of: string | null
  fork_of: string | null
  fork_turn: number | null
  deleted_at: NullableTimestamp
  deleted_by: string | null
  created_at: Timestamp
  updated_at: Timestamp
  started_at: NullableTimestamp
  ended_at: NullableTimestamp
}

export interface RunEventsTable {
  run_id: string
  seq: number
  id: string
  turn: number
  attempt: number
  synthetic: boolean
  created_at: Timestamp
  name: string
  payload: string
  raw: string | null
}

export interface RunSandboxesTable {
  run_id: string
  generation: number
  sandbox_id: string
  created_at: Timestamp
  deleted_at: NullableTimestamp
}

export interface RunInputsTable {
  id: string
  run_id: string
  turn: number
  source: 'prompt' | 'continue' | 'review'
  delivery: 'queue' | 'steer'
  status: 'queued' | 'delivered' | 'cancelled'
  content: string
  created_at: Timestamp
  delivered_at: NullableTimestamp
  sequence: number | null
  actor: string | null
}

export interface InteractionsTable {
  id: string
  run_id: string
  turn: number
  attempt: number
  kind: InteractionKind
  status: InteractionStatus
  tool_name: string | null
  reach: 'inside' | 'outside' | null
  detail: string
  input: string
  questions: string
  digest: string
  fallback: 'deny' | 'allow'
  answer: string | null
  answered_by: string | null
  created_at: Timestamp
  deadline_at: Timestamp
  closed_at: NullableTimestamp
  late: Generated<boolean>
}

export interface RunDiffsTable {
  run_id: string
  turn: number
  digest: string
  content: Buffer
  files: string
  created_at: Timestamp
}

export interface RunSnapshotsTable {
  run_id: string
  turn: number
  manifest: string
  content: Buffer
  created_at: Timestamp
}

export type ApprovalStep = 'intended' | 'planned' | 'landed' | 'committed' | 'done' | 'failed'

export interface ApprovalsTable {
  id: string
  run_id: string
  turn: number
  digest: string
  actor: string
  automatic: boolean
  create_commit: boolean | null
  commit_message: string
  state: ApprovalStep
  plan: string | null
  commit_hash: string | null
  error: string | null
  lease_owner: string
  lease_expires_at: Timestamp
  created_at: Timestamp
  updated_at: Timestamp
}

export interface IdempotencyRecordsTable {
  id: string
  principal: string
  method: string
  path: string
  request_digest: string
  subject_id: string
  state: 'running' | 'freed' | 'answered'
  reservation: string
  lease_owner: string
  lease_expires_at: Timestamp
  answer_status: number | null
  answer_headers: string | null
  answer_body: string | null
  created_at: Timestamp
  expires_at: Timestamp
}

export interface Tables {
  profiles: ProfilesTable
  profile_versions: ProfileVersionsTable
  tasks: TasksTable
  replicas: ReplicasTable
  runs: RunsTable
  run_events: RunEventsTable
  run_sandboxes: RunSandboxesTable
  run_inputs: RunInputsTable
  interactions: InteractionsTable
  run_diffs: RunDiffsTable
  run_snapshots: RunSnapshotsTable
  approvals: ApprovalsTable
  idempotency_records: IdempotencyRecordsTable
}

/** A pool or a transaction on it: stores take either. */
export type Db = Kysely<Tables> | Transaction<Tables>
