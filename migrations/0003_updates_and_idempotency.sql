-- Profiles and tasks that are changed, archived, cancelled and deleted; answers to requests that carry a key.
-- Works with: 0.2.0 and later.
SET LOCAL lock_timeout = '2s';

ALTER TABLE agent_manager.profiles
  -- Up by one with every change, that of archived_at included: what an ETag says.
  ADD COLUMN revision integer NOT NULL DEFAULT 1 CHECK (revision >= 1),
  -- Shown no more, its key and name are free again; versions stay for the runs that pin them.
  ADD COLUMN deleted_at timestamptz,
  DROP CONSTRAINT profiles_profile_key_key,
  DROP CONSTRAINT profiles_name_key;
CREATE UNIQUE INDEX profiles_live_key ON agent_manager.profiles (profile_key) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX profiles_live_name ON agent_manager.profiles (name) WHERE deleted_at IS NULL;
CREATE INDEX profiles_newest ON agent_manager.profiles (created_at DESC, id DESC) WHERE deleted_at IS NULL;

ALTER TABLE agent_manager.tasks
  ADD COLUMN revision integer NOT NULL DEFAULT 1 CHECK (revision >= 1),
  -- When somebody cancelled it; what it shows follows from its newest run where it has one.
  ADD COLUMN cancelled_at timestamptz,
  -- Shown no more; the row stays for its runs and their logs.
  ADD COLUMN deleted_at timestamptz;
CREATE INDEX tasks_newest ON agent_manager.tasks (created_at DESC, id DESC) WHERE deleted_at IS NULL;
-- Which runs of a task may still go on; and the few tasks that have such runs.
CREATE INDEX runs_unfinished ON agent_manager.runs (task_id, status)
  WHERE status IN ('pending', 'starting', 'running', 'needs_review');
-- Tasks by a status that few of them have.
CREATE INDEX runs_not_approved ON agent_manager.runs (status, task_id)
  WHERE status IN ('failed', 'cancelled') OR approval_state = 'rejected';
CREATE INDEX tasks_cancelled ON agent_manager.tasks (id) WHERE cancelled_at IS NOT NULL;

-- One request that carried an Idempotency-Key. Who has the reservation may carry the request out; a reservation
-- that is given up, or whose lease is over, is taken over by the next request of the same body.
CREATE TABLE agent_manager.idempotency_records (
  -- SHA-256 of principal, method, path and key: they may be longer than an index entry.
  id               text PRIMARY KEY,
  principal        text NOT NULL,
  method           text NOT NULL,
  path             text NOT NULL,
  request_digest   text NOT NULL,
  -- The id of what the request makes: whoever takes over makes the same thing.
  subject_id       uuid NOT NULL,
  state            text NOT NULL CHECK (state IN ('running', 'freed', 'answered')),
  -- The fence: changes with every reservation.
  reservation      uuid NOT NULL,
  lease_owner      uuid NOT NULL REFERENCES agent_manager.replicas (id),
  lease_expires_at timestamptz NOT NULL,
  answer_status    integer CHECK (answer_status BETWEEN 200 AND 499),
  answer_headers   text,
  answer_body      text,
  created_at       timestamptz NOT NULL DEFAULT now(),
  expires_at       timestamptz NOT NULL,
  CONSTRAINT idempotency_records_answer_whole CHECK (
    (state = 'answered') = (num_nulls(answer_status, answer_headers, answer_body) = 0)
  )
);
CREATE INDEX idempotency_records_expired ON agent_manager.idempotency_records (expires_at);
CREATE INDEX idempotency_records_running ON agent_manager.idempotency_records (lease_owner) WHERE state = 'running';
