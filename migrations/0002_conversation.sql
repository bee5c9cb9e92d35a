-- What a run waits for a person to say, and what it is told while it works.
-- Works with: 0.2.0 and later.
SET LOCAL lock_timeout = '2s';

-- A permission request or a question of an agent. It outlives the agent, the turn's attempt and the service.
CREATE TABLE agent_manager.interactions (
  id          uuid PRIMARY KEY,
  run_id      uuid NOT NULL REFERENCES agent_manager.runs (id),
  turn        integer NOT NULL,
  -- Of the owner that asked: a later attempt that asks the same again gets the answer at once.
  attempt     integer NOT NULL,
  kind        text NOT NULL CHECK (kind IN ('permission', 'question')),
  status      text NOT NULL CHECK (status IN ('pending', 'answered', 'expired', 'withdrawn')),
  tool_name   text,
  -- Whether what is asked for reaches out of the sandbox: a grant for inside does not count outside.
  reach       text CHECK (reach IN ('inside', 'outside')),
  detail      text NOT NULL,
  input       text NOT NULL,
  questions   text NOT NULL,
  -- Of kind, tool and input: the same digest is the same request.
  digest      text NOT NULL,
  -- What an unanswered one counts as.
  fallback    text NOT NULL CHECK (fallback IN ('deny', 'allow')),
  answer      text,
  answered_by text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  deadline_at timestamptz NOT NULL,
  closed_at   timestamptz,
  -- Closed while its turn was cut: the agent that asked never heard of it.
  late        boolean NOT NULL DEFAULT false,
  CONSTRAINT interactions_closed_whole CHECK ((status = 'pending') = (closed_at IS NULL)),
  CONSTRAINT interactions_answer_whole CHECK ((status IN ('answered', 'expired')) = (answer IS NOT NULL))
);
CREATE INDEX interactions_of_run ON agent_manager.interactions (run_id, created_at, id);
CREATE INDEX interactions_open ON agent_manager.interactions (deadline_at) WHERE status = 'pending';

ALTER TABLE agent_manager.runs
  -- How many interactions are open: changed in the transaction that changes them.
  ADD COLUMN pending_interactions integer NOT NULL DEFAULT 0 CHECK (pending_interactions >= 0),
  ADD COLUMN interaction_since timestamptz,
  -- When somebody last looked at this run's interactions.
  ADD COLUMN interactions_read_at timestamptz,
  -- The turn that somebody wants to end, the run staying.
  ADD COLUMN interrupt_turn integer,
  ADD COLUMN interrupt_by text,
  ADD CONSTRAINT runs_waits_while_open CHECK (pending_interactions = 0 OR status IN ('pending', 'starting', 'running'));

-- A parked run is not to be claimed before its answer is there.
DROP INDEX agent_manager.runs_pending;
CREATE INDEX runs_pending ON agent_manager.runs (created_at, id) WHERE status = 'pending' AND pending_interactions = 0;

-- Number of the event that says an input was handed over.
ALTER TABLE agent_manager.run_inputs ADD COLUMN sequence bigint;
CREATE INDEX run_inputs_queued ON agent_manager.run_inputs (run_id, created_at, id) WHERE status = 'queued';
