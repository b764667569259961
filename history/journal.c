/*
 * The journal of an answer: pieces added at each flush.  A part of the answer is the pieces
 * with its part_seq: their bytes in a row, the last one's name, ref and info.
 */
#include "history/answer.h"

#include "engine/base/clock.h"

static int write_piece(struct history_answer *a, int64_t part, const char *kind,
		       const struct growing_part *p, bool open, struct str bytes,
		       struct err *err)
{
	static const struct str cut = {"{\"cut\": true}", 13};
	struct str none = {0};

	return sql_run(a->t->h, err,
		       "INSERT INTO journal_piece (journal_id, seq, part_seq, kind, name, ref,"
		       " info, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		       "iiizsssb", a->journal_id, a->next_seq++, part, kind,
		       p ? buf_str(&p->name) : none, p ? buf_str(&p->ref) : none,
		       open ? cut
		       : p  ? buf_str(&p->info)
			    : none,
		       (const void *)(bytes.n ? bytes.p : ""), bytes.n);
}

static int write_part(struct history_answer *a, size_t i, struct err *err)
{
	const struct growing_part *p = &a->parts[i];
	struct str fresh = {buf_z(&p->text) + p->journalled_text,
			    p->text.len - p->journalled_text};

	if (p->journalled && fresh.n == 0 && p->journalled_open == p->open)
		return 0;
	return write_piece(a, (int64_t)i, history_kind_name(p->kind), p, p->open, fresh, err);
}

static int write_ids(struct history_answer *a, struct err *err)
{
	struct buf ids = {0};
	int rc;

	if (a->journalled_ids == a->n_ids)
		return 0;
	sql_add_le32(&ids, a->ids + a->journalled_ids, a->n_ids - a->journalled_ids);
	rc = buf_failed(&ids) ? err_nomem(err, "token ids", ids.cap)
			      : write_piece(a, -1, "tokens", NULL, false, buf_str(&ids), err);
	buf_release(&ids);
	return rc;
}

/* The journal's row; made anew, whole, where another process took it for an orphan's. */
static int write_row(struct history_answer *a, struct err *err)
{
	struct history *h = a->t->h;
	int rc = 0;

	if (a->journal_id) {
		rc = sql_run(h, err, "UPDATE journal SET flushed_ms = ? WHERE id = ?", "ii",
			     clock_wall_ms(), a->journal_id);
		if (rc || sqlite3_changes(h->db) > 0)
			return rc;
		for (size_t i = 0; i < a->n_parts; i++) {
			a->parts[i].journalled = false;
			a->parts[i].journalled_text = 0;
		}
		a->journalled_ids = 0;
	}
	rc = sql_run(h, err,
		     "INSERT INTO journal (conversation_id, parent_id, run_id, owner,"
		     " flushed_ms) VALUES (?, ?, ?, ?, ?)",
		     "iiizi", a->t->conversation, a->parent->id, a->run_id, h->owner,
		     clock_wall_ms());
	if (!rc)
		a->journal_id = sqlite3_last_insert_rowid(h->db);
	return rc;
}

int journal_write(struct history_answer *a, struct err *err)
{
	int64_t before = a->journal_id;
	int rc = write_row(a, err);

	for (size_t i = 0; i < a->n_parts && !rc; i++)
		rc = write_part(a, i, err);
	if (!rc)
		rc = write_ids(a, err);
	/* What was undone has no row; the next try makes it. */
	if (rc)
		a->journal_id = before;
	return rc;
}

void journal_written(struct history_answer *a)
{
	for (size_t i = 0; i < a->n_parts; i++) {
		struct growing_part *p = &a->parts[i];

		p->journalled = true;
		p->journalled_text = p->text.len;
		p->journalled_open = p->open;
	}
	a->journalled_ids = a->n_ids;
	a->dirty = false;
}

int journal_drop(struct history *h, int64_t journal, struct err *err)
{
	return sql_run(h, err, "DELETE FROM journal WHERE id = ?", "i", journal);
}
