/*
 * After a crash: journals whose process is gone become messages, with what their ids cover,
 * exactly, and the stop "crashed".
 */
#include <stdlib.h>

#include "history/answer.h"
#include "history/index.h"
#include "history/owner.h"
#include "history/seal.h"
#include "history/tool_run.h"

struct orphan {
	int64_t id, conversation, parent, run, flushed_ms;
};

struct orphans {
	struct orphan *items;
	size_t n, cap;
};

static int add_orphan(struct orphans *o, sqlite3_stmt *st, struct err *err)
{
	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 8;
		struct orphan *grown = realloc(o->items, cap * sizeof(*grown));

		if (!grown)
			return err_nomem(err, "journals", cap * sizeof(*grown));
		o->items = grown;
		o->cap = cap;
	}
	o->items[o->n++] = (struct orphan){
		.id = sqlite3_column_int64(st, 0),
		.conversation = sqlite3_column_int64(st, 1),
		.parent = sqlite3_column_int64(st, 2),
		.run = sqlite3_column_int64(st, 3),
		.flushed_ms = sqlite3_column_int64(st, 5),
	};
	return 0;
}

static int find_orphans(struct history *h, struct orphans *o, struct err *err)
{
	sqlite3_stmt *st = sql_get(h, err,
				   "SELECT id, conversation_id, parent_id, run_id, owner,"
				   " flushed_ms FROM journal ORDER BY id",
				   "");
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		if (!owner_gone(st, 4))
			continue;
		rc = add_orphan(o, st, err);
		if (rc)
			break;
	}
	sql_done(st);
	return rc;
}

/* One row of each part: its bytes joined, name, ref and info of its last piece. */
static int write_parts(struct history *h, int64_t journal, int64_t message, int64_t *n,
		       struct err *err)
{
	sqlite3_stmt *st;
	struct buf text = {0};
	struct buf head[4] = {{0}}; /* kind, name, ref, info */
	int64_t part = -1;
	int rc = 0, more = 1;

	*n = 0;
	st = sql_get(h, err,
		     "SELECT part_seq, kind, name, ref, info, bytes FROM journal_piece"
		     " WHERE journal_id = ? AND part_seq >= 0 ORDER BY part_seq, seq",
		     "i", journal);
	if (!st)
		return err->code;
	while (more && !rc) {
		int64_t next;

		more = sql_row(h, st, err);
		if (more < 0) {
			rc = more;
			break;
		}
		next = more ? sqlite3_column_int64(st, 0) : -1;
		if (part >= 0 && next != part) {
			struct history_part whole = {
				.name = buf_str(&head[1]),
				.ref = buf_str(&head[2]),
				.text = buf_str(&text),
				.info = buf_str(&head[3]),
			};

			rc = index_write_part(h, message, (*n)++, buf_z(&head[0]), &whole, err);
			buf_reset(&text);
		}
		part = next;
		for (int i = 0; i < 4 && more; i++) {
			buf_reset(&head[i]);
			buf_adds(&head[i], sql_str(st, i + 1));
		}
		if (more)
			buf_adds(&text, sql_str(st, 5));
		if (buf_failed(&text) || buf_failed(&head[1]))
			rc = err_nomem(err, "journal", text.len);
	}
	sql_done(st);
	buf_release(&text);
	for (int i = 0; i < 4; i++)
		buf_release(&head[i]);
	return rc;
}

static int read_ids(struct history *h, int64_t journal, struct buf *ids, struct err *err)
{
	sqlite3_stmt *st = sql_get(h, err,
				   "SELECT bytes FROM journal_piece"
				   " WHERE journal_id = ? AND kind = 'tokens' ORDER BY seq",
				   "i", journal);
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0)
		buf_adds(ids, sql_str(st, 0));
	return !rc && buf_failed(ids) ? err_nomem(err, "token ids", ids->len) : rc;
}

/* The message; the conversation shows it unless someone went on elsewhere meanwhile. */
static int make_message(struct history *h, const struct orphan *o, const struct buf *ids,
			int64_t *n_parts, int64_t *message, struct err *err)
{
	int rc =
		sql_run(h, err,
			"INSERT INTO message (tree_id, conversation_id, parent_id, depth, role,"
			" created_ms, token_ids) SELECT tree_id, ?1, id, depth + 1,"
			" 'assistant', ?2, ?3 FROM message WHERE id = ?4",
			"iibi", o->conversation, o->flushed_ms,
			ids->len ? (const void *)ids->data : NULL, ids->len, o->parent);

	if (rc)
		return rc;
	*message = sqlite3_last_insert_rowid(h->db);
	rc = write_parts(h, o->id, *message, n_parts, err);
	if (!rc)
		rc = seal_stored(h, *message, err);
	if (!rc)
		rc = sql_run(h, err,
			     "UPDATE run SET message_id = ?, stop = 'crashed', finished_ms = ?,"
			     " output_tokens = ? WHERE id = ?",
			     "iiii", *message, o->flushed_ms,
			     (int64_t)(ids->len / sizeof(int32_t)), o->run);
	/* The leaf moves from the question, or from the answer that was being continued. */
	if (!rc)
		rc = sql_run(h, err,
			     "UPDATE conversation SET leaf_id = ?1 WHERE id = ?2 AND leaf_id IN"
			     " (SELECT ?3 UNION SELECT id FROM message WHERE parent_id = ?3"
			     "  AND id < ?1)",
			     "iii", *message, o->conversation, o->parent);
	return rc;
}

static int recover_one(struct history *h, const struct orphan *o, bool *made, struct err *err)
{
	struct buf ids = {0};
	int64_t n_parts = 0, message = 0;
	int rc = sql_begin(h, err);
	int64_t there = 0;

	*made = false;
	if (rc)
		return rc;
	/* Another process may have been quicker. */
	rc = sql_int(h, &there, 0, err, "SELECT id FROM journal WHERE id = ?", "i", o->id);
	if (!rc && there)
		rc = read_ids(h, o->id, &ids, err);
	if (!rc && there && ids.len) {
		rc = make_message(h, o, &ids, &n_parts, &message, err);
		*made = !rc;
	}
	if (!rc && there)
		rc = journal_drop(h, o->id, err);
	if (!rc && there && !ids.len)
		rc = sql_run(h, err, "DELETE FROM run WHERE id = ?", "i", o->run);
	buf_release(&ids);
	return sql_end(h, rc, err);
}

int history_recover(struct history *h, struct history_list *out, struct err *err)
{
	struct orphans o = {0};
	int rc = find_orphans(h, &o, err);

	*out = (struct history_list){0};
	for (size_t i = 0; i < o.n && !rc; i++) {
		struct history_list one = {0};
		bool made = false, known = false;

		rc = recover_one(h, &o.items[i], &made, err);
		for (size_t k = 0; k < out->n; k++)
			known |= out->items[k].id == o.items[i].conversation;
		if (rc || !made || known)
			continue;
		rc = history_get(h, o.items[i].conversation, &one, err);
		if (!rc && one.n) {
			struct history_conversation *grown =
				realloc(out->items, (out->n + 1) * sizeof(*grown));

			if (grown) {
				out->items = grown;
				/* Journals come oldest first, the list newest first. */
				for (size_t k = out->n++; k > 0; k--)
					grown[k] = grown[k - 1];
				grown[0] = one.items[0];
				free(one.items);
				continue;
			}
			rc = err_nomem(err, "list", out->n);
		}
		history_list_release(&one);
	}
	free(o.items);
	if (!rc)
		rc = tool_runs_recover(h, err);
	if (rc)
		history_list_release(out);
	return rc;
}
