-- Schema 7: what was done of the calls in answers, and to which files.

CREATE TABLE tool_run (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	conversation_id INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
	answer_id INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,  -- that calls
	result_id INTEGER REFERENCES message (id) ON DELETE CASCADE,           -- NULL: none yet
	ref TEXT NOT NULL,
	tool TEXT NOT NULL,
	class TEXT NOT NULL,               -- what it could do; '': never began
	grade TEXT NOT NULL,
	layer TEXT NOT NULL,
	decided TEXT NOT NULL
		CHECK (decided IN ('', 'mode', 'rule', 'once', 'session', 'always', 'user',
				   'nobody', 'policy')),
	rule TEXT NOT NULL,
	reason TEXT NOT NULL,
	state TEXT NOT NULL
		CHECK (state IN ('asked', 'running', 'ok', 'error', 'denied', 'refused', 'stopped',
				 'timeout', 'lost', 'skipped')),
	exit_code INTEGER,
	signal INTEGER,
	output_bytes INTEGER NOT NULL DEFAULT 0,
	spill TEXT NOT NULL DEFAULT '',
	owner TEXT NOT NULL,               -- machine, boot, process; '': came by an import
	started_ms INTEGER NOT NULL,
	ended_ms INTEGER
) STRICT;

CREATE UNIQUE INDEX tool_run_by_call ON tool_run (answer_id, ref);
CREATE INDEX tool_run_by_result ON tool_run (result_id);
CREATE INDEX tool_run_by_conversation ON tool_run (conversation_id);
CREATE INDEX tool_run_begun ON tool_run (state) WHERE state IN ('asked', 'running');

CREATE TABLE file_edit (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	tool_run_id INTEGER NOT NULL REFERENCES tool_run (id) ON DELETE CASCADE,
	root TEXT NOT NULL,
	path BLOB NOT NULL,                -- names are bytes
	before BLOB,                       -- NULL: it did not exist, or is not kept
	before_mode INTEGER,
	before_hash BLOB,                  -- NULL: it did not exist
	after_hash BLOB NOT NULL,
	after_mode INTEGER NOT NULL,
	made_dirs INTEGER NOT NULL DEFAULT 0,
	state TEXT NOT NULL CHECK (state IN ('planned', 'applied', 'undone', 'lost', 'dropped'))
) STRICT;

CREATE INDEX file_edit_by_run ON file_edit (tool_run_id);
