-- Schema 1: conversations as trees of messages that never change.
--
-- Applied once, inside the transaction that brings a store from 0 to 1.  A step
-- that was ever released is frozen: what must differ goes into the next one.
-- All times are milliseconds since 1970, UTC.

-- A conversation is a name and a pointer to the last message of one branch.
CREATE TABLE conversation (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	uid TEXT NOT NULL UNIQUE,          -- what people type: 10 letters and digits
	title TEXT NOT NULL,
	title_from TEXT NOT NULL CHECK (title_from IN ('prompt', 'model', 'user')),
	tree_id INTEGER NOT NULL,          -- conversations forked from each other share one
	leaf_id INTEGER REFERENCES message (id),
	forked_at INTEGER REFERENCES message (id) ON DELETE SET NULL,
	pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
	archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1)),
	created_ms INTEGER NOT NULL,
	updated_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX conversation_by_time ON conversation (updated_ms);
CREATE INDEX conversation_by_tree ON conversation (tree_id);
CREATE INDEX conversation_by_leaf ON conversation (leaf_id);
CREATE INDEX conversation_by_fork ON conversation (forked_at);

-- One thing said.  Siblings (same parent_id) are edits and other answers.
CREATE TABLE message (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	tree_id INTEGER NOT NULL,
	conversation_id INTEGER NOT NULL REFERENCES conversation (id),  -- where it was said
	parent_id INTEGER REFERENCES message (id),                      -- NULL: the first
	depth INTEGER NOT NULL,            -- messages before it on its branch
	role TEXT NOT NULL
		CHECK (role IN ('system', 'user', 'assistant', 'tool', 'developer', 'reminder')),
	created_ms INTEGER NOT NULL,
	token_ids BLOB                     -- answers: int32, little endian, as produced
) STRICT;

CREATE INDEX message_by_tree ON message (tree_id);
CREATE INDEX message_by_parent ON message (parent_id);
CREATE INDEX message_by_conversation ON message (conversation_id);

-- What a message consists of, in order.
CREATE TABLE part (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	message_id INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
	seq INTEGER NOT NULL,
	kind TEXT NOT NULL
		CHECK (kind IN ('text', 'thinking', 'call', 'result', 'attachment', 'notice',
				'tools')),
	name TEXT NOT NULL,                -- call, result: the tool; attachment: the file
	ref TEXT NOT NULL,                 -- call: its id; result: the call it answers
	text TEXT NOT NULL,                -- the exact bytes; a call's arguments as JSON
	info TEXT NOT NULL                 -- '' or a JSON object: exit code, times, …
) STRICT;

CREATE UNIQUE INDEX part_by_message ON part (message_id, seq);

-- How an answer was made: settings, the model, what it took, how it ended.
CREATE TABLE run (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	conversation_id INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
	message_id INTEGER REFERENCES message (id) ON DELETE CASCADE,   -- NULL: in progress
	model TEXT NOT NULL,
	identity TEXT NOT NULL,            -- hash that names the weights and the tokenizer
	build TEXT NOT NULL,
	device TEXT NOT NULL,
	effort TEXT NOT NULL,
	temperature REAL NOT NULL,
	top_p REAL NOT NULL,
	min_p REAL NOT NULL,
	top_k INTEGER NOT NULL,
	seed INTEGER NOT NULL,             -- the 64 bits, read as signed
	max_tokens INTEGER NOT NULL,
	ctx_tokens INTEGER NOT NULL,
	resumed_tokens INTEGER NOT NULL,   -- ids it was given to go on from
	started_ms INTEGER NOT NULL,
	finished_ms INTEGER,
	stop TEXT,                         -- stop, tool_calls, length, …, crashed
	prompt_tokens INTEGER NOT NULL DEFAULT 0,
	cached_tokens INTEGER NOT NULL DEFAULT 0,
	thinking_tokens INTEGER NOT NULL DEFAULT 0,
	output_tokens INTEGER NOT NULL DEFAULT 0,
	drafted INTEGER NOT NULL DEFAULT 0,
	accepted INTEGER NOT NULL DEFAULT 0,
	prefill_ms INTEGER NOT NULL DEFAULT 0,
	decode_ms INTEGER NOT NULL DEFAULT 0,
	total_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX run_by_message ON run (message_id);
CREATE INDEX run_by_conversation ON run (conversation_id);

-- Answers in progress.  A row whose owner is gone is an answer that a crash cut.
CREATE TABLE journal (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	conversation_id INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
	parent_id INTEGER NOT NULL REFERENCES message (id),
	run_id INTEGER NOT NULL REFERENCES run (id),
	owner TEXT NOT NULL,               -- machine, boot, process
	flushed_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX journal_by_conversation ON journal (conversation_id);
CREATE INDEX journal_by_parent ON journal (parent_id);
CREATE INDEX journal_by_run ON journal (run_id);

-- What was added at one flush: a piece of a part, or token ids (kind 'tokens').
CREATE TABLE journal_piece (
	journal_id INTEGER NOT NULL REFERENCES journal (id) ON DELETE CASCADE,
	seq INTEGER NOT NULL,
	part_seq INTEGER NOT NULL,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	ref TEXT NOT NULL,
	info TEXT NOT NULL,
	bytes BLOB NOT NULL,
	PRIMARY KEY (journal_id, seq)
) STRICT, WITHOUT ROWID;
