-- Schema 5: what an answer had from disk, and what of it the model did not choose.

-- Of cached_tokens those read from disk, and what of prefill_ms that took.
ALTER TABLE run ADD COLUMN disk_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN disk_ms INTEGER NOT NULL DEFAULT 0;

-- The text that it was told to begin with.
ALTER TABLE run ADD COLUMN prefill TEXT NOT NULL DEFAULT '';

-- 1: the user asked for the end of the thinking.
ALTER TABLE run ADD COLUMN thinking_ended INTEGER NOT NULL DEFAULT 0;
