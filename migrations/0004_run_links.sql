-- Runs that come from other runs, runs that were deleted, and who said what the agent was told.
-- Works with: 0.2.0 and later.
SET LOCAL lock_timeout = '2s';

ALTER TABLE agent_manager.runs
  -- No foreign keys: where a run came from stays true when the other one is gone.
  ADD COLUMN retry_of   uuid,
  ADD COLUMN fork_of    uuid,
  -- The last turn of the other run that belongs to this one's past: its files and its conversation.
  ADD COLUMN fork_turn  integer CHECK (fork_turn >= 1),
  -- Shown no more; the row stays for its log.
  ADD COLUMN deleted_at timestamptz,
  ADD COLUMN deleted_by text,
  ADD CONSTRAINT runs_fork_whole CHECK ((fork_of IS NULL) = (fork_turn IS NULL)),
  ADD CONSTRAINT runs_deleted_whole CHECK ((deleted_at IS NULL) = (deleted_by IS NULL)),
  -- Also keeps a deleted run from being gone on with.
  ADD CONSTRAINT runs_deleted_is_final CHECK (deleted_at IS NULL OR status IN ('complete', 'failed', 'cancelled'));

ALTER TABLE agent_manager.run_inputs ADD COLUMN actor text;

-- The files that a run had changed when a turn ended, whole: what a run that goes off from there begins with. A
-- diff does not say what binary files hold. A row is there when all of them could be kept.
CREATE TABLE agent_manager.run_snapshots (
  run_id     uuid NOT NULL REFERENCES agent_manager.runs (id),
  turn       integer NOT NULL,
  manifest   text NOT NULL,
  content    bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (run_id, turn)
);
CREATE TRIGGER run_snapshots_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON agent_manager.run_snapshots
  FOR EACH STATEMENT EXECUTE FUNCTION agent_manager.refuse_change();
