-- Schema 6: how an answer was drafted.

-- Steps of the model for output_tokens.
ALTER TABLE run ADD COLUMN steps INTEGER NOT NULL DEFAULT 0;

-- By place in the draft, how many were accepted of how many: '30/31 22/30'.
ALTER TABLE run ADD COLUMN drafts TEXT NOT NULL DEFAULT '';
