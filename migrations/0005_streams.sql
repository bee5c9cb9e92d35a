-- Watchers of many runs find out which runs moved, whichever replica moved them.
-- Works with: 0.3.0 and later.
SET LOCAL lock_timeout = '2s';

-- When the log of a run that is finished was last written to. Unchanged while a run goes on, so that the many
-- appends of a running turn stay in their page (HOT): an index on updated_at would cost each of them all indexes.
ALTER TABLE agent_manager.runs ADD COLUMN settled_at timestamptz;

-- What moved since a time: of the unfinished runs all are looked at (runs_unfinished), of the finished ones only these.
CREATE INDEX runs_settled ON agent_manager.runs (settled_at) WHERE settled_at IS NOT NULL;
