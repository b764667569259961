/* What calls did to files, and what those held before. */
#include <stdlib.h>
#include <string.h>

#include "history/owner.h"
#include "history/tool_run.h"

/* -- planned, settled ---------------------------------------------------------- */

static int write_plan(struct history *h, const struct history_edit *e, int64_t *id,
		      struct err *err)
{
	bool keeps = e->existed && e->before.p && e->before.n <= HISTORY_BEFORE_MAX;
	int rc = sql_run(h, err,
			 "INSERT INTO file_edit (tool_run_id, root, path, before, before_mode,"
			 " before_hash, after_hash, after_mode, made_dirs, machine, state)"
			 " VALUES (?, ?, CAST(? AS BLOB), ?, iif(?, ?, NULL), ?, ?, ?, ?, ?,"
			 " 'planned')",
			 "issbiibbiiz", e->call, e->root, e->path,
			 keeps ? (const void *)e->before.p : NULL, e->before.n,
			 (int64_t)e->existed, e->before_mode,
			 e->existed ? (const void *)e->before_hash : NULL,
			 (size_t)HISTORY_HASH_BYTES, (const void *)e->after_hash,
			 (size_t)HISTORY_HASH_BYTES, e->after_mode, e->made_dirs,
			 h->machine);

	if (!rc)
		*id = sqlite3_last_insert_rowid(h->db);
	return rc;
}

int file_edits_trim(struct history *h, int64_t conversation, int64_t max_bytes, size_t *n,
		    struct err *err)
{
	int rc = sql_run(
		h, err,
		"UPDATE file_edit SET before = NULL, after = NULL, state = 'dropped'"
		" WHERE id IN (SELECT id"
		" FROM (SELECT e.id, sum(length(e.before)) OVER (ORDER BY e.id DESC) AS bytes"
		"  FROM file_edit e JOIN tool_run r ON r.id = e.tool_run_id"
		"  WHERE r.conversation_id = ? AND e.before IS NOT NULL) WHERE bytes > ?)",
		"ii", conversation, max_bytes);

	*n = rc ? 0 : (size_t)sqlite3_changes(h->db);
	return rc;
}

/* The files go on from where they are. */
static int forget_undone(struct history *h, int64_t conversation, struct err *err)
{
	return sql_run(h, err,
		       "UPDATE file_edit SET before = NULL, after = NULL, state = 'dropped'"
		       " WHERE state = 'undone' AND tool_run_id IN"
		       " (SELECT id FROM tool_run WHERE conversation_id = ?)",
		       "i", conversation);
}

int history_edit_plan(struct history *h, const struct history_edit *e, int64_t *id,
		      size_t *n_dropped, struct err *err)
{
	int64_t conversation = 0;
	int rc = sql_begin_full(h, err);

	*id = 0;
	*n_dropped = 0;
	if (rc)
		return rc;
	rc = write_plan(h, e, id, err);
	if (!rc)
		rc = sql_int(h, &conversation, 0, err,
			     "SELECT conversation_id FROM tool_run WHERE id = ?", "i", e->call);
	if (!rc)
		rc = forget_undone(h, conversation, err);
	if (!rc)
		rc = file_edits_trim(h, conversation, HISTORY_BEFORE_ALL, n_dropped, err);
	return sql_end_full(h, rc, err);
}

int history_edit_settle(struct history *h, int64_t id, enum history_edit_state state,
			struct err *err)
{
	int rc = sql_begin(h, err);

	if (rc)
		return rc;
	/* Bytes that went took the way back with them, whatever is done to the file. */
	rc = sql_run(h, err,
		     "UPDATE file_edit SET state = ?1,"
		     " before = CASE ?1 WHEN 'dropped' THEN NULL ELSE before END WHERE id = ?2"
		     " AND state <> 'dropped'",
		     "zi", file_edit_state_name(state), id);
	return sql_end(h, rc, err);
}

/* -- back, and forth again ------------------------------------------------------- */

static int take_step(struct history *h, const struct history_edit_step *s, struct err *err)
{
	bool keeps = s->after.p && s->after.n <= HISTORY_BEFORE_MAX;

	return sql_run(h, err,
		       "UPDATE file_edit SET state = ?1, untold = (untold + ?2) % 2,"
		       " before = CASE ?1 WHEN 'dropped' THEN NULL ELSE before END,"
		       " after = CASE ?1 WHEN 'applied' THEN NULL WHEN 'dropped' THEN NULL"
		       " ELSE coalesce(?3, after) END WHERE id = ?4 AND state <> 'dropped'",
		       "zibi", file_edit_state_name(s->state), (int64_t)s->tells,
		       keeps ? (const void *)s->after.p : NULL, s->after.n, s->id);
}

int history_edits_step(struct history *h, const struct history_edit_step *steps, size_t n,
		       struct err *err)
{
	int rc = sql_begin_full(h, err);

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < n; i++)
		rc = take_step(h, &steps[i], err);
	return sql_end_full(h, rc, err);
}

int history_edits_told(struct history *h, int64_t conversation, struct err *err)
{
	int rc = sql_begin(h, err);

	if (rc)
		return rc;
	rc = sql_run(h, err,
		     "UPDATE file_edit SET untold = 0 WHERE untold = 1 AND tool_run_id IN"
		     " (SELECT id FROM tool_run WHERE conversation_id = ?)",
		     "i", conversation);
	return sql_end(h, rc, err);
}

/* -- read ------------------------------------------------------------------------ */

static bool copy(struct str *to, struct str from)
{
	char *p = malloc(from.n + 1);

	if (!p)
		return false;
	if (from.n)
		memcpy(p, from.p, from.n);
	p[from.n] = '\0';
	to->p = p;
	to->n = from.n;
	return true;
}

static void read_hash(sqlite3_stmt *st, int column, unsigned char out[HISTORY_HASH_BYTES])
{
	struct str hash = sql_str(st, column);

	if (hash.n == HISTORY_HASH_BYTES)
		memcpy(out, hash.p, hash.n);
}

static int add_edit(struct history *h, struct history_edits *out, sqlite3_stmt *st,
		    struct err *err)
{
	struct history_edit *grown = realloc(out->items, (out->n + 1) * sizeof(*grown));
	struct history_edit *e;

	if (!grown)
		return err_nomem(err, "edits", (out->n + 1) * sizeof(*grown));
	out->items = grown;
	e = &grown[out->n++];
	*e = (struct history_edit){
		.id = sqlite3_column_int64(st, 0),
		.call = sqlite3_column_int64(st, 1),
		.kept = sqlite3_column_int(st, 4),
		.before_mode = sqlite3_column_int64(st, 5),
		.existed = sqlite3_column_type(st, 6) != SQLITE_NULL,
		.after_mode = sqlite3_column_int64(st, 8),
		.made_dirs = sqlite3_column_int64(st, 9),
		.answer = sqlite3_column_int64(st, 11),
		.here = str_is(sql_str(st, 12), h->machine),
		.untold = sqlite3_column_int(st, 13),
		.kept_after = sqlite3_column_int(st, 16),
	};
	e->elsewhere = !str_is(sql_str(st, 14), h->owner) && !owner_gone(st, 14);
	read_hash(st, 6, e->before_hash);
	read_hash(st, 7, e->after_hash);
	file_edit_state_from_name(sql_str(st, 10), &e->state);
	if (!copy(&e->root, sql_str(st, 2)) || !copy(&e->path, sql_str(st, 3)) ||
	    !copy(&e->ref, sql_str(st, 17)))
		return err_nomem(err, "edits", sizeof(*e));
	return 0;
}

int history_edits(struct history *h, int64_t conversation, struct history_edits *out,
		  struct err *err)
{
	sqlite3_stmt *st = sql_get(
		h, err,
		"SELECT e.id, tool_run_id, root, path, before IS NOT NULL, before_mode,"
		" before_hash, after_hash, after_mode, made_dirs, e.state, answer_id, machine,"
		" untold, owner, started_ms, after IS NOT NULL, ref FROM file_edit e"
		" JOIN tool_run r ON r.id = tool_run_id WHERE conversation_id = ?"
		" ORDER BY e.id DESC",
		"i", conversation);
	int rc;

	*out = (struct history_edits){0};
	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		rc = add_edit(h, out, st, err);
		if (rc)
			break;
	}
	sql_done(st);
	if (rc)
		history_edits_release(out);
	return rc;
}

void history_edits_release(struct history_edits *edits)
{
	for (size_t i = 0; i < edits->n; i++) {
		free((char *)edits->items[i].root.p);
		free((char *)edits->items[i].path.p);
		free((char *)edits->items[i].ref.p);
	}
	free(edits->items);
	*edits = (struct history_edits){0};
}

static int read_bytes(struct history *h, sqlite3_stmt *st, const char *none, struct buf *out,
		      struct err *err)
{
	int rc;

	if (!st)
		return err->code;
	rc = sql_row(h, st, err);
	if (rc > 0)
		buf_adds(out, sql_str(st, 0));
	sql_done(st);
	if (rc == 0)
		return err_set(err, ERR_USAGE, "%s", none);
	if (rc > 0 && buf_failed(out))
		return err_nomem(err, "file", out->len);
	return rc < 0 ? rc : 0;
}

int history_edit_before(struct history *h, int64_t id, struct buf *out, struct err *err)
{
	return read_bytes(h,
			  sql_get(h, err,
				  "SELECT before FROM file_edit WHERE id = ?"
				  " AND before IS NOT NULL",
				  "i", id),
			  "what the file held before is not kept", out, err);
}

int history_edit_after(struct history *h, int64_t id, struct buf *out, struct err *err)
{
	return read_bytes(h,
			  sql_get(h, err,
				  "SELECT after FROM file_edit WHERE id = ?"
				  " AND after IS NOT NULL",
				  "i", id),
			  "what the file held after the edit is not kept", out, err);
}

int history_edit_sides(struct history *h, int64_t answer, struct str ref, size_t max,
		       struct history_edit_sides *out, struct err *err)
{
	sqlite3_stmt *st =
		sql_get(h, err,
			"SELECT before, before_hash IS NOT NULL, after_hash FROM file_edit e"
			" JOIN tool_run r ON r.id = tool_run_id WHERE answer_id = ? AND ref = ?"
			" AND (before_hash IS NULL OR length(before) <= ?)",
			"isi", answer, ref, (int64_t)max);
	int rc;

	*out = (struct history_edit_sides){0};
	if (!st)
		return err->code;
	rc = sql_row(h, st, err);
	if (rc > 0) {
		buf_adds(&out->before, sql_str(st, 0));
		out->existed = sqlite3_column_int(st, 1);
		read_hash(st, 2, out->after_hash);
	}
	sql_done(st);
	if (rc == 0)
		return err_set(err, ERR_USAGE, "what the call found in a file is not kept");
	if (rc > 0 && buf_failed(&out->before))
		return err_nomem(err, "file", out->before.len);
	return rc < 0 ? rc : 0;
}

void history_edit_sides_release(struct history_edit_sides *s)
{
	buf_release(&s->before);
}
