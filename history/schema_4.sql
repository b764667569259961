-- Schema 4: what was said can be told from what a disk made of it, what came from elsewhere
-- from what this program wrote, and the search follows in its own time.

-- XXH128 of role, time, ids and parts (seal.h); NULL only inside the step that adds it.
ALTER TABLE message ADD COLUMN seal BLOB;

-- 1: it came by an import, so that its ids, and its run's identity, are what a file claims.
ALTER TABLE message ADD COLUMN foreign_ids INTEGER NOT NULL DEFAULT 0
	CHECK (foreign_ids IN (0, 1));

-- One row: the full-text indexes know of the parts up to this one.
CREATE TABLE indexed (
	part_id INTEGER NOT NULL
) STRICT;
INSERT INTO indexed SELECT coalesce(max(id), 0) FROM part;
