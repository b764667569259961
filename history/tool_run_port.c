/* What was done of calls, out and in again. */
#include <string.h>

#include "engine/base/buf.h"
#include "history/export.h"
#include "history/tool_run.h"

/* -- out ------------------------------------------------------------------------ */

/* Before each row of a list, which is begun with the first one. */
static void begin_row(struct jsonw *w, const char *list, bool *any)
{
	if (*any)
		return;
	jsonw_key(w, list);
	jsonw_begin_array(w);
	*any = true;
}

static void add_hex(struct jsonw *w, const char *name, struct str bytes)
{
	struct buf hex = {0};

	for (size_t i = 0; i < bytes.n; i++)
		buf_addf(&hex, "%02x", (unsigned char)bytes.p[i]);
	jsonw_kv_string(w, name, buf_str(&hex));
	w->out->failed |= hex.failed;
	buf_release(&hex);
}

static void add_edit(struct jsonw *w, sqlite3_stmt *st)
{
	jsonw_begin_object(w);
	export_bytes(w, "root", sql_str(st, 0));
	export_bytes(w, "path", sql_str(st, 1));
	jsonw_kv_string(w, "state", sql_str(st, 2));
	if (sqlite3_column_type(st, 3) != SQLITE_NULL) {
		add_hex(w, "before_hash", sql_str(st, 3));
		jsonw_kv_int(w, "before_mode", sqlite3_column_int64(st, 4));
	}
	add_hex(w, "after_hash", sql_str(st, 5));
	jsonw_kv_int(w, "after_mode", sqlite3_column_int64(st, 6));
	jsonw_kv_int(w, "made_dirs", sqlite3_column_int64(st, 7));
	jsonw_end_object(w);
}

static int add_edits(struct history *h, struct jsonw *w, int64_t run, struct err *err)
{
	sqlite3_stmt *st = sql_get(
		h, err,
		"SELECT root, path, state, before_hash, before_mode, after_hash,"
		" after_mode, made_dirs FROM file_edit WHERE tool_run_id = ? ORDER BY id",
		"i", run);
	bool any = false;
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		begin_row(w, "file_edits", &any);
		add_edit(w, st);
	}
	if (any)
		jsonw_end_array(w);
	sql_done(st);
	return rc;
}

/* Columns in the order of the file: texts, then numbers that may be missing. */
static const char *const texts[] = {"ref",     "tool", "class",  "grade", "layer",
				    "decided", "rule", "reason", "state", "spill"};
static const char *const numbers[] = {"exit", "signal", "bytes", "started_ms", "ended_ms"};
#define N_TEXTS   (sizeof(texts) / sizeof(texts[0]))
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static int add_run(struct history *h, struct jsonw *w, sqlite3_stmt *st, struct err *err)
{
	int rc;

	jsonw_begin_object(w);
	for (size_t i = 0; i < N_TEXTS; i++) {
		struct str text = sql_str(st, 1 + (int)i);

		if (text.n)
			export_bytes(w, texts[i], text);
	}
	for (size_t i = 0; i < N_NUMBERS; i++) {
		int column = 1 + (int)(N_TEXTS + i);

		if (sqlite3_column_type(st, column) != SQLITE_NULL)
			jsonw_kv_int(w, numbers[i], sqlite3_column_int64(st, column));
	}
	rc = add_edits(h, w, sqlite3_column_int64(st, 0), err);
	jsonw_end_object(w);
	return rc;
}

int export_tool_runs(struct history *h, struct jsonw *w, int64_t answer, struct err *err)
{
	sqlite3_stmt *st =
		sql_get(h, err,
			"SELECT id, ref, tool, class, grade, layer, decided, rule, reason, "
			"state, spill,"
			" exit_code, signal, output_bytes, started_ms, ended_ms FROM tool_run"
			" WHERE answer_id = ? ORDER BY id",
			"i", answer);
	bool any = false;
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(h, st, err)) > 0) {
		begin_row(w, "tool_runs", &any);
		rc = add_run(h, w, st, err);
		if (rc)
			break;
	}
	if (any)
		jsonw_end_array(w);
	sql_done(st);
	return rc;
}

/* -- in --------------------------------------------------------------------------- */

static bool read_hex(struct str hex, unsigned char out[HISTORY_HASH_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	if (hex.n != (size_t)2 * HISTORY_HASH_BYTES)
		return false;
	for (size_t i = 0; i < hex.n; i++) {
		const char *at = memchr(digits, hex.p[i], sizeof(digits) - 1);

		if (!at)
			return false;
		out[i / 2] = (unsigned char)(out[i / 2] << 4 | (at - digits));
	}
	return true;
}

static int bad(const char *what, struct err *err)
{
	return err_set(err, ERR_USAGE, "%s", what);
}

/* `wrong`: what is said where they are no base64. */
static int take_bytes(struct history_tree *t, const json_t *o, const char *key, struct str *out,
		      const char *wrong, struct err *err)
{
	int rc = import_bytes(&t->pool, o, key, out);

	if (rc == ERR_USAGE)
		return bad(wrong, err);
	return rc ? err_nomem(err, "import", 0) : 0;
}

/* What a file says of another machine's files is not acted on: it can't be undone. */
static int take_edit(struct history_tree *t, const json_t *o, int64_t run, struct err *err)
{
	unsigned char before[HISTORY_HASH_BYTES] = {0}, after[HISTORY_HASH_BYTES] = {0};
	bool existed = json_object_get(o, "before_hash") != NULL;
	int64_t before_mode = 0, after_mode = 0, made_dirs = 0;
	enum history_edit_state state;
	struct str root, path;

	if (take_bytes(t, o, "root", &root, "a file_edit needs root and path", err) ||
	    take_bytes(t, o, "path", &path, "a file_edit needs root and path", err))
		return err->code;
	if (!file_edit_state_from_name(import_str(o, "state"), &state))
		return bad("a file_edit of an unknown state", err);
	if (!read_hex(import_str(o, "after_hash"), after) ||
	    (existed && !read_hex(import_str(o, "before_hash"), before)))
		return bad("a file_edit needs hashes of 32 digits", err);
	import_int(o, "before_mode", &before_mode);
	import_int(o, "after_mode", &after_mode);
	import_int(o, "made_dirs", &made_dirs);
	if (state == HISTORY_EDIT_PLANNED || state == HISTORY_EDIT_APPLIED)
		state = HISTORY_EDIT_DROPPED;
	return sql_run(
		t->h, err,
		"INSERT INTO file_edit (tool_run_id, root, path, before_mode, before_hash,"
		" after_hash, after_mode, made_dirs, state)"
		" VALUES (?, ?, CAST(? AS BLOB), iif(?, ?, NULL), ?, ?, ?, ?, ?)",
		"issiibbiiz", run, root, path, (int64_t)existed, before_mode,
		existed ? (const void *)before : NULL, sizeof(before), (const void *)after,
		sizeof(after), after_mode, made_dirs, file_edit_state_name(state));
}

static int insert_run(struct history_tree *t, const struct str *v, const int64_t *n,
		      enum history_call_state state, int64_t answer, int64_t *id,
		      struct err *err)
{
	int rc = sql_run(
		t->h, err,
		"INSERT INTO tool_run (conversation_id, answer_id, ref, tool, class, grade,"
		" layer, decided, rule, reason, state, spill, exit_code, signal, output_bytes,"
		" started_ms, ended_ms, owner) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
		" nullif(?, -1), ?, ?, ?, ?, '') ON CONFLICT (answer_id, ref) DO NOTHING",
		"iissssssss"
		"zsioiii",
		t->conversation, answer, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7],
		history_call_state_name(state), v[9], n[0], n[1], n[2], n[3], n[4]);

	*id = !rc && sqlite3_changes(t->h->db) ? sqlite3_last_insert_rowid(t->h->db) : 0;
	return rc;
}

static int take_run(struct history_tree *t, const json_t *o, int64_t answer, struct err *err)
{
	const json_t *edits = json_object_get(o, "file_edits");
	int64_t n[N_NUMBERS] = {-1, 0, 0, 0, 0}, id = 0;
	struct str v[N_TEXTS];
	enum history_call_state state;
	int rc;

	for (size_t i = 0; i < N_TEXTS; i++) {
		if (take_bytes(t, o, texts[i], &v[i], "a tool_run has a text that is none",
			       err))
			return err->code;
	}
	if (!import_int(o, "started_ms", &n[3]) ||
	    !history_call_state_from_name(v[8], &state) || !tool_run_decided_is(v[5]))
		return bad("a tool_run needs started_ms, and words that are known", err);
	n[4] = n[3];
	for (size_t i = 0; i < N_NUMBERS; i++)
		import_int(o, numbers[i], &n[i]);
	/* Whoever ran it is not here. */
	if (state == HISTORY_CALL_ASKED)
		state = HISTORY_CALL_REFUSED;
	if (state == HISTORY_CALL_RUNNING)
		state = HISTORY_CALL_LOST;
	rc = insert_run(t, v, n, state, answer, &id, err);
	for (size_t i = 0; !rc && id && i < json_array_size(edits); i++)
		rc = take_edit(t, json_array_get(edits, i), id, err);
	return rc;
}

int import_tool_runs(struct history_tree *t, const json_t *message, int64_t answer,
		     struct err *err)
{
	const json_t *runs = json_object_get(message, "tool_runs");
	int rc = 0;

	for (size_t i = 0; !rc && i < json_array_size(runs); i++)
		rc = take_run(t, json_array_get(runs, i), answer, err);
	return rc;
}

int import_results(struct history *h, const struct history_message *m, int64_t id,
		   struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < m->n_parts; i++) {
		if (m->parts[i].kind != HISTORY_RESULT)
			continue;
		rc = sql_run(
			h, err,
			"WITH RECURSIVE up (id, parent_id, role) AS (SELECT id, parent_id,"
			" role FROM message WHERE id = ?1 UNION ALL SELECT m.id, m.parent_id,"
			" m.role FROM up JOIN message m ON m.id = up.parent_id"
			" WHERE up.role = 'tool') UPDATE tool_run SET result_id = ?1"
			" WHERE result_id IS NULL AND ref = ?2"
			" AND state NOT IN ('asked', 'running') AND answer_id IN"
			" (SELECT id FROM up WHERE role = 'assistant')",
			"is", id, m->parts[i].ref);
	}
	return rc;
}
