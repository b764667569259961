-- Schema 8: edits of files that are taken back, and made again.

-- What the file had after it, kept while the edit is taken back; else NULL.
ALTER TABLE file_edit ADD COLUMN after BLOB;

-- The machine whose file it is, as history_machine() names it; '': not known.
ALTER TABLE file_edit ADD COLUMN machine TEXT NOT NULL DEFAULT '';

-- 1: it was taken back or made again, and the model was not told yet.
ALTER TABLE file_edit ADD COLUMN untold INTEGER NOT NULL DEFAULT 0 CHECK (untold IN (0, 1));
