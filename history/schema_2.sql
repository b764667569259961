-- Schema 2: search.
--
-- Three full-text indexes over the parts, one for each scope.  They hold no text of their
-- own (content: the views) and are kept by the program, not by triggers: their tokenizer,
-- dsv4chat, exists inside it only.

CREATE VIEW said_text (id, text) AS
	SELECT id, text FROM part WHERE kind = 'text';
CREATE VIEW thinking_text (id, text) AS
	SELECT id, text FROM part WHERE kind = 'thinking';
CREATE VIEW tools_text (id, text) AS
	SELECT id, text FROM part WHERE kind IN ('call', 'result', 'attachment');

CREATE VIRTUAL TABLE said USING fts5 (
	text, content = 'said_text', content_rowid = 'id', tokenize = 'dsv4chat', prefix = '1 2 3'
);
CREATE VIRTUAL TABLE thinking USING fts5 (
	text, content = 'thinking_text', content_rowid = 'id', tokenize = 'dsv4chat',
	prefix = '1 2 3'
);
CREATE VIRTUAL TABLE tools USING fts5 (
	text, content = 'tools_text', content_rowid = 'id', tokenize = 'dsv4chat', prefix = '1 2 3'
);

INSERT INTO said (said) VALUES ('rebuild');
INSERT INTO thinking (thinking) VALUES ('rebuild');
INSERT INTO tools (tools) VALUES ('rebuild');

-- Work that a crash must not make forgotten: 'scrub' means that removed text may still
-- stand in the log or in free pages.
CREATE TABLE chore (
	name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
