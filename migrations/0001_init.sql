-- The first schema: profiles, tasks, runs, the append-only log, inputs, diffs, approvals, replicas.
-- Works with: 0.1.0 and later.
SET LOCAL lock_timeout = '2s';

-- Refuses UPDATE, DELETE and TRUNCATE, whoever asks: history is added to, never edited. Privileges say the
-- same to the runtime role; the trigger says it also where one role owns everything.
CREATE FUNCTION agent_manager.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TABLE agent_manager.profiles (
  id             uuid PRIMARY KEY,
  profile_key    text NOT NULL UNIQUE CHECK (length(profile_key) BETWEEN 1 AND 255),
  name           text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 255),
  latest_version integer NOT NULL CHECK (latest_version >= 1),
  created_by     text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  archived_at    timestamptz
);

-- Immutable: a run pins (profile_id, version).
CREATE TABLE agent_manager.profile_versions (
  profile_id uuid NOT NULL REFERENCES agent_manager.profiles (id),
  version    integer NOT NULL CHECK (version >= 1),
  settings   text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (profile_id, version)
);
CREATE TRIGGER profile_versions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agent_manager.profile_versions
  FOR EACH STATEMENT EXECUTE FUNCTION agent_manager.refuse_change();

CREATE TABLE agent_manager.tasks (
  id                  uuid PRIMARY KEY,
  title               text NOT NULL CHECK (length(title) BETWEEN 1 AND 255),
  description         text NOT NULL,
  scope_path          text NOT NULL,
  project_root        text NOT NULL CHECK (project_root LIKE '/%'),
  context_attachments text NOT NULL DEFAULT '[]',
  created_by          text,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now()
);

-- One agent-manager process. Which of them live on this machine is decided by pid, start time and boot id.
CREATE TABLE agent_manager.replicas (
  id           uuid PRIMARY KEY,
  host         text NOT NULL,
  boot_id      text NOT NULL,
  pid          integer NOT NULL,
  pid_started  text NOT NULL,
  started_at   timestamptz NOT NULL DEFAULT now(),
  stopped_at   timestamptz
);

CREATE TABLE agent_manager.runs (
  id                    uuid PRIMARY KEY,
  task_id               uuid NOT NULL REFERENCES agent_manager.tasks (id),
  profile_id            uuid,
  profile_version       integer,
  tag                   text NOT NULL CHECK (length(tag) BETWEEN 1 AND 255),
  mode                  text NOT NULL CHECK (mode IN ('sandboxed', 'in_place')),
  status                text NOT NULL CHECK (status IN ('pending', 'starting', 'running', 'needs_review', 'complete', 'failed', 'cancelled')),
  phase                 text NOT NULL,
  turn                  integer NOT NULL DEFAULT 1 CHECK (turn >= 1),
  -- The fencing token: up by one at every claim; every write of an owner carries it.
  attempt               integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  -- Claims of this turn, so that a run that kills its replica ends (at most 3).
  turn_attempt          integer NOT NULL DEFAULT 0 CHECK (turn_attempt >= 0),
  stop_requested_at     timestamptz,
  stop_requested_by     text,
  lease_owner           uuid REFERENCES agent_manager.replicas (id),
  lease_expires_at      timestamptz,
  last_heartbeat_at     timestamptz,
  -- The log's counter of this run, and the number of the owner's last batch in this attempt.
  last_seq              bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
  last_batch            bigint NOT NULL DEFAULT 0 CHECK (last_batch >= 0),
  config                text NOT NULL,
  config_sources        text NOT NULL,
  sandbox_id            text,
  sandbox_generation    integer NOT NULL DEFAULT 1 CHECK (sandbox_generation >= 1),
  session_id            text,
  resume_mode           text CHECK (resume_mode IN ('native', 'replayed', 'fresh')),
  runner_version        text,
  contained             text CHECK (contained IN ('full', 'process', 'none')),
  approval_state        text NOT NULL DEFAULT 'none' CHECK (approval_state IN ('none', 'pending', 'partially_approved', 'approved', 'rejected')),
  approved_by           text,
  approved_at           timestamptz,
  failure               text,
  summary               text,
  input_tokens          bigint NOT NULL DEFAULT 0,
  output_tokens         bigint NOT NULL DEFAULT 0,
  cache_read_tokens     bigint NOT NULL DEFAULT 0,
  cache_creation_tokens bigint NOT NULL DEFAULT 0,
  total_cost_usd        double precision,
  diff_digest           text,
  diff_files            integer,
  diff_additions        integer,
  diff_deletions        integer,
  idempotency_key       text UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 500),
  request_digest        text NOT NULL,
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now(),
  started_at            timestamptz,
  ended_at              timestamptz,
  FOREIGN KEY (profile_id, profile_version) REFERENCES agent_manager.profile_versions (profile_id, version),
  CONSTRAINT runs_lease_iff_driven CHECK ((lease_owner IS NOT NULL) = (status IN ('starting', 'running'))),
  CONSTRAINT runs_lease_whole CHECK ((lease_owner IS NULL) = (lease_expires_at IS NULL)),
  CONSTRAINT runs_ended_iff_final CHECK ((ended_at IS NOT NULL) = (status IN ('complete', 'failed', 'cancelled'))),
  CONSTRAINT runs_failure_iff_failed CHECK ((failure IS NOT NULL) = (status = 'failed')),
  CONSTRAINT runs_diff_whole CHECK (num_nulls(diff_digest, diff_files, diff_additions, diff_deletions) IN (0, 4))
);

-- Claim: oldest pending first.
CREATE INDEX runs_pending ON agent_manager.runs (created_at, id) WHERE status = 'pending';
-- Reaper and heartbeat: only what is driven.
CREATE INDEX runs_driven ON agent_manager.runs (lease_expires_at) WHERE status IN ('starting', 'running');
-- Lists, newest first; a task's newest run; by tag.
CREATE INDEX runs_newest ON agent_manager.runs (created_at DESC, id DESC);
CREATE INDEX runs_of_task ON agent_manager.runs (task_id, created_at DESC, id DESC);
CREATE INDEX runs_of_tag ON agent_manager.runs (tag text_pattern_ops, created_at DESC);

-- The table of internal/run/run.ts once more, where it cannot be forgotten. A test compares the two.
CREATE FUNCTION agent_manager.check_run_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.status, NEW.status) IN (
    ('pending', 'starting'), ('pending', 'failed'), ('pending', 'cancelled'),
    ('starting', 'running'), ('starting', 'pending'), ('starting', 'failed'), ('starting', 'cancelled'),
    ('running', 'needs_review'), ('running', 'complete'), ('running', 'pending'), ('running', 'failed'), ('running', 'cancelled'),
    ('needs_review', 'complete'), ('needs_review', 'failed'), ('needs_review', 'cancelled'), ('needs_review', 'pending'),
    ('complete', 'pending'), ('failed', 'pending'), ('cancelled', 'pending')
  ) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'run % cannot go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER runs_transition BEFORE UPDATE OF status ON agent_manager.runs
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION agent_manager.check_run_transition();

-- The log. No foreign key and no cascade: deleting a run never deletes what happened. The payload is text:
-- it is written once, read back as the same bytes, and costs Postgres half of what jsonb does.
CREATE TABLE agent_manager.run_events (
  run_id     uuid NOT NULL,
  seq        bigint NOT NULL CHECK (seq >= 1),
  id         uuid NOT NULL,
  turn       integer NOT NULL,
  attempt    integer NOT NULL,
  synthetic  boolean NOT NULL,
  created_at timestamptz NOT NULL,
  name       text NOT NULL,
  payload    text NOT NULL,
  raw        text,
  PRIMARY KEY (run_id, seq)
);
CREATE TRIGGER run_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agent_manager.run_events
  FOR EACH STATEMENT EXECUTE FUNCTION agent_manager.refuse_change();

-- Every sandbox a run ever had, one a generation: what is left behind is found here and removed.
CREATE TABLE agent_manager.run_sandboxes (
  run_id     uuid NOT NULL REFERENCES agent_manager.runs (id),
  generation integer NOT NULL CHECK (generation >= 1),
  sandbox_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  PRIMARY KEY (run_id, generation)
);
CREATE INDEX run_sandboxes_left ON agent_manager.run_sandboxes (created_at) WHERE deleted_at IS NULL;

-- What the agent is to be told. An input enters the log when it is handed over.
CREATE TABLE agent_manager.run_inputs (
  id           uuid PRIMARY KEY,
  run_id       uuid NOT NULL REFERENCES agent_manager.runs (id),
  turn         integer NOT NULL,
  source       text NOT NULL CHECK (source IN ('prompt', 'continue', 'review')),
  delivery     text NOT NULL CHECK (delivery IN ('queue', 'steer')),
  status       text NOT NULL CHECK (status IN ('queued', 'delivered', 'cancelled')),
  content      text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  delivered_at timestamptz
);
CREATE INDEX run_inputs_of_run ON agent_manager.run_inputs (run_id, turn, created_at);

-- The diff as it was when a turn ended: what a person reviews. Bytes, because a diff may hold a NUL.
CREATE TABLE agent_manager.run_diffs (
  run_id     uuid NOT NULL REFERENCES agent_manager.runs (id),
  turn       integer NOT NULL,
  digest     text NOT NULL,
  content    bytea NOT NULL,
  files      text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (run_id, turn, digest)
);
CREATE TRIGGER run_diffs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agent_manager.run_diffs
  FOR EACH STATEMENT EXECUTE FUNCTION agent_manager.refuse_change();

-- The saga of one approval: each state is written before the next step is taken.
CREATE TABLE agent_manager.approvals (
  id               uuid PRIMARY KEY,
  run_id           uuid NOT NULL REFERENCES agent_manager.runs (id),
  turn             integer NOT NULL,
  digest           text NOT NULL,
  actor            text NOT NULL,
  automatic        boolean NOT NULL,
  -- null: in a git work tree yes, elsewhere no.
  create_commit    boolean,
  commit_message   text NOT NULL,
  state            text NOT NULL CHECK (state IN ('intended', 'planned', 'landed', 'committed', 'done', 'failed')),
  plan             text,
  commit_hash      text,
  error            text,
  lease_owner      uuid NOT NULL REFERENCES agent_manager.replicas (id),
  lease_expires_at timestamptz NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now()
);
-- One open approval a run: the second approver waits or is told.
CREATE UNIQUE INDEX approvals_one_open ON agent_manager.approvals (run_id) WHERE state IN ('intended', 'planned', 'landed', 'committed');
CREATE INDEX approvals_of_run ON agent_manager.approvals (run_id, created_at);
CREATE INDEX approvals_open ON agent_manager.approvals (lease_expires_at) WHERE state IN ('intended', 'planned', 'landed', 'committed');
