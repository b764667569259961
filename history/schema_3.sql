-- A part without text has no entry in the full-text indexes, so that what they are compared
-- with must not have it either.
DROP VIEW said_text;
DROP VIEW thinking_text;
DROP VIEW tools_text;
CREATE VIEW said_text (id, text) AS
	SELECT id, text FROM part WHERE kind = 'text' AND text <> '';
CREATE VIEW thinking_text (id, text) AS
	SELECT id, text FROM part WHERE kind = 'thinking' AND text <> '';
CREATE VIEW tools_text (id, text) AS
	SELECT id, text FROM part WHERE kind IN ('call', 'result', 'attachment') AND text <> '';
