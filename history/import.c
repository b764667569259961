/*
 * Conversations from JSON Lines as history_export() writes them: fed line by line, each
 * conversation written in one transaction.
 *
 * One whose name is here, and begins with the same message, is the same conversation: of its
 * messages only those come in that are not there, each known by what it follows and its seal.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/jsontree.h"
#include "history/base64.h"
#include "history/export.h"
#include "history/seal.h"
#include "history/uid.h"

struct history_import {
	struct history *h;
	struct history_tree *t; /* the conversation being read; its rows are uncommitted */
	bool open;              /* a transaction is */
	int64_t *ids;           /* of message n, at n - 1 */
	size_t n, cap;
	size_t n_lines;
	struct history_imported done;
	int64_t named, named_tree; /* the conversation of that name here; 0 = none */
	bool known;                /* it is the same */
	size_t n_written;          /* messages of this one that were not here */
	int64_t leaf;              /* number of the message that is shown */
	int64_t updated_ms;
	struct buf title;
	enum history_title_from title_from;
	bool pinned, archived;
	int64_t created_ms;
};

static int bad(struct history_import *in, const char *what, struct err *err)
{
	return err_set(err, ERR_USAGE, "line %zu: %s", in->n_lines, what);
}

bool import_int(const json_t *o, const char *key, int64_t *out)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v))
		return false;
	*out = json_integer_value(v);
	return true;
}

struct str import_str(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)}
				 : (struct str){0};
}

int import_bytes(struct pool *pool, const json_t *o, const char *key, struct str *out)
{
	struct buf name = {0}, bytes = {0};
	struct str coded;
	int rc = 0;

	buf_addf(&name, "%s_base64", key);
	coded = import_str(o, buf_z(&name));
	if (coded.n && !base64_read(&bytes, coded))
		rc = ERR_USAGE;
	if (!rc && (name.failed || bytes.failed ||
		    pool_str(pool, coded.n ? buf_str(&bytes) : import_str(o, key), out)))
		rc = ERR_NOMEM;
	buf_release(&name);
	buf_release(&bytes);
	return rc;
}

static int get_bytes(struct history_import *in, const json_t *o, const char *key,
		     struct str *out, struct err *err)
{
	int rc = import_bytes(&in->t->pool, o, key, out);

	if (rc == ERR_USAGE)
		return bad(in, "a value that should be base64 is not", err);
	return rc ? err_nomem(err, "import", 0) : 0;
}

/* -- a conversation's beginning and end ------------------------------------------ */

/* What the file says of a conversation that was not here. */
static int name_it(struct history_import *in, struct err *err)
{
	return sql_run(in->h, err,
		       "UPDATE conversation SET leaf_id = ?, title = ?, title_from = ?,"
		       " pinned = ?, archived = ?, created_ms = ?, updated_ms = ?"
		       " WHERE id = ?",
		       "iszi"
		       "iiii",
		       in->ids[in->leaf - 1], buf_str(&in->title),
		       history_title_origin_name(in->title_from), (int64_t)in->pinned,
		       (int64_t)in->archived, in->created_ms, in->updated_ms,
		       in->t->conversation);
}

/* One that was here and has grown shows what came in, unless it went on elsewhere here. */
static int move_leaf(struct history_import *in, struct err *err)
{
	return sql_run(in->h, err,
		       "WITH RECURSIVE up (id) AS (SELECT ?1 UNION ALL SELECT m.parent_id"
		       "  FROM up JOIN message m ON m.id = up.id WHERE m.parent_id IS NOT NULL)"
		       " UPDATE conversation SET leaf_id = ?1, updated_ms = max(updated_ms, ?2)"
		       " WHERE id = ?3 AND leaf_id IN (SELECT id FROM up)",
		       "iii", in->ids[in->leaf - 1], in->updated_ms, in->t->conversation);
}

static int end_conversation(struct history_import *in, struct err *err)
{
	struct history *h = in->h;
	bool grown = in->known && in->n_written;
	int rc = 0;

	if (!in->t)
		return 0;
	if (in->n == 0 || in->leaf < 1 || (uint64_t)in->leaf > in->n)
		rc = bad(in, "the conversation before it shows a message that it does not have",
			 err);
	if (!rc && !in->known)
		rc = name_it(in, err);
	else if (!rc && grown)
		rc = move_leaf(in, err);
	rc = sql_end(h, rc, err);
	in->open = false;
	history_tree_free(in->t);
	in->t = NULL;
	in->n = 0;
	if (!rc && !in->known)
		in->done.n_new++;
	else if (!rc && grown)
		in->done.n_grown++;
	else if (!rc)
		in->done.n_known++;
	return rc;
}

/* The same name where it is free, else a new one, until the first message tells more. */
static int choose_uid(struct history_import *in, struct str wanted, struct err *err)
{
	int rc;

	in->named = in->named_tree = 0;
	in->known = false;
	in->n_written = 0;
	if (!wanted.p || !uid_valid(wanted))
		return 0;
	rc = sql_int(in->h, &in->named, 0, err, "SELECT id FROM conversation WHERE uid = ?",
		     "s", wanted);
	if (!rc && in->named)
		rc = sql_int(in->h, &in->named_tree, 0, err,
			     "SELECT tree_id FROM conversation WHERE id = ?", "i", in->named);
	if (!rc && !in->named)
		memcpy(in->t->uid, wanted.p, HISTORY_UID_LEN);
	return rc;
}

static int begin_conversation(struct history_import *in, const json_t *o, struct err *err)
{
	int64_t format = 0;
	int rc = end_conversation(in, err);

	if (rc)
		return rc;
	if (!import_int(o, "format", &format) || format != EXPORT_FORMAT)
		return err_set(err, ERR_USAGE, "line %zu: format %lld, expected %d",
			       in->n_lines, (long long)format, EXPORT_FORMAT);
	if (!import_int(o, "leaf", &in->leaf) || !import_int(o, "created_ms", &in->created_ms) ||
	    !import_int(o, "updated_ms", &in->updated_ms) ||
	    !history_title_origin_from_name(import_str(o, "title_from"), &in->title_from))
		return bad(in, "a conversation needs leaf, created_ms, updated_ms, title_from",
			   err);
	in->pinned = json_is_true(json_object_get(o, "pinned"));
	in->archived = json_is_true(json_object_get(o, "archived"));
	buf_reset(&in->title);
	history_clean_title(&in->title, import_str(o, "title"), HISTORY_TITLE_CHARS);
	if (buf_failed(&in->title))
		return err_nomem(err, "import", in->title.cap);
	rc = history_tree_new(&in->t, in->h, err);
	if (!rc)
		rc = sql_begin(in->h, err);
	if (rc)
		return rc;
	in->open = true;
	in->t->titled = true;
	return choose_uid(in, import_str(o, "id"), err);
}

/* -- a message ----------------------------------------------------------------- */

static int read_parts(struct history_import *in, const json_t *o, struct history_message *m,
		      struct err *err)
{
	const json_t *list = json_object_get(o, "parts");
	size_t n = json_array_size(list);
	struct history_part *parts = pool_array(&in->t->pool, n, sizeof(*parts));
	int rc = 0;

	if (!json_is_array(list))
		return bad(in, "a message needs parts", err);
	if (!parts)
		return err_nomem(err, "import", n * sizeof(*parts));
	for (size_t i = 0; i < n && !rc; i++) {
		const json_t *p = json_array_get(list, i);

		if (!history_kind_from_name(import_str(p, "kind"), &parts[i].kind))
			return bad(in, "a part of an unknown kind", err);
		rc = get_bytes(in, p, "name", &parts[i].name, err);
		if (!rc)
			rc = get_bytes(in, p, "ref", &parts[i].ref, err);
		if (!rc)
			rc = get_bytes(in, p, "text", &parts[i].text, err);
		if (!rc)
			rc = get_bytes(in, p, "info", &parts[i].info, err);
	}
	m->parts = parts;
	m->n_parts = n;
	return rc;
}

/* Whatever they are, a file claims them: they are kept apart from our own. */
static int read_ids(struct history_import *in, const json_t *o, struct history_message *m,
		    struct err *err)
{
	const json_t *list = json_object_get(o, "ids");
	size_t n = json_array_size(list);
	struct history_foreign *foreign = pool_get(&in->t->pool, sizeof(*foreign));
	int32_t *ids = pool_array(&in->t->pool, n + 1, sizeof(*ids));

	if (!ids || !foreign)
		return err_nomem(err, "import", n * sizeof(*ids));
	if (list && !json_is_array(list))
		return bad(in, "ids are no array", err);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);
		json_int_t id = json_integer_value(v);

		if (!json_is_integer(v) || id < INT32_MIN || id > INT32_MAX)
			return bad(in, "a token id that is no 32-bit number", err);
		ids[i] = (int32_t)id;
	}
	*foreign = (struct history_foreign){list ? ids : NULL, n, ""};
	m->foreign = foreign;
	return 0;
}

static int read_run(struct history_import *in, const json_t *o, struct history_message *m,
		    struct err *err)
{
	const json_t *r = json_object_get(o, "run");
	struct history_run *run;
	char *base;

	if (!r)
		return 0;
	run = pool_get(&in->t->pool, sizeof(*run));
	if (!run)
		return err_nomem(err, "import", sizeof(*run));
	base = (char *)run;
	for (const struct run_word *f = export_run_words; f->name; f++) {
		struct str word;

		if (pool_str(&in->t->pool, import_str(r, f->name), &word))
			return err_nomem(err, "import", sizeof(*run));
		memcpy(base + f->at, &word.p, sizeof(word.p));
	}
	for (const struct run_real *f = export_run_reals; f->name; f++) {
		double d = json_number_value(json_object_get(r, f->name));

		memcpy(base + f->at, &d, sizeof(d));
	}
	for (const struct run_number *f = export_run_numbers; f->name; f++) {
		int64_t i = 0;

		if (!import_int(r, f->name, &i) && !f->late)
			return err_set(err, ERR_USAGE, "line %zu: run: %s is missing",
				       in->n_lines, f->name);
		memcpy(base + f->at, &i, sizeof(i));
	}
	if (sscanf(import_str(r, "seed").n ? import_str(r, "seed").p : "", "%" SCNu64, &run->seed) !=
	    1)
		return bad(in, "run: seed is missing", err);
	m->run = run;
	return 0;
}

static int remember(struct history_import *in, int64_t id, struct err *err)
{
	if (in->n == in->cap) {
		size_t cap = in->cap ? in->cap * 2 : 64;
		int64_t *grown = realloc(in->ids, cap * sizeof(*grown));

		if (!grown)
			return err_nomem(err, "import", cap * sizeof(*grown));
		in->ids = grown;
		in->cap = cap;
	}
	in->ids[in->n++] = id;
	return 0;
}

/*
 * The message of the conversation of that name that says the same after the same; 0: none.
 * Of twins it is the one behind those that were found before, as exports have them in order.
 */
static int find_known(struct history_import *in, const struct history_message *m,
		      int64_t parent, int64_t *id, struct err *err)
{
	int64_t behind = in->n ? in->ids[in->n - 1] : 0;
	unsigned char seal[SEAL_BYTES];
	struct buf scratch = {0};
	int rc = seal_of(m, m->foreign->ids, m->foreign->n_ids, &scratch, seal, err);

	buf_release(&scratch);
	if (!rc)
		rc = sql_int(
			in->h, id, 0, err,
			"SELECT coalesce(min(CASE WHEN id > ?1 THEN id END), CASE count(*)"
			" WHEN 1 THEN min(CASE WHEN id <> ?1 THEN id END) END, 0) FROM message"
			" WHERE tree_id = ?2 AND parent_id IS ?3 AND seal = ?4",
			"iiob", behind, in->named_tree, parent, (const void *)seal,
			(size_t)SEAL_BYTES);
	return rc;
}

static int write_message(struct history_import *in, const struct history_message *m,
			 int64_t parent, int64_t *id, struct err *err)
{
	struct history_tree *t = in->t;
	int64_t run = 0, depth = 0;
	int rc = 0;

	if (parent)
		rc = sql_int(in->h, &depth, 0, err,
			     "SELECT depth + 1 FROM message WHERE id = ?", "i", parent);
	if (!rc)
		rc = tree_write(t, m, parent, (size_t)depth, &t->conversation, &t->tree_id, id,
				err);
	if (!rc && m->run)
		rc = tree_write_run(in->h, t->conversation, *id, m->run, &run, err);
	if (!rc && m->run)
		rc = tree_finish_run(in->h, run, *id, m->run, err);
	in->n_written++;
	return rc;
}

/* `number`: of the parent, in the file. */
static int take_message(struct history_import *in, const struct history_message *m,
			int64_t number, struct err *err)
{
	int64_t parent = number ? in->ids[number - 1] : 0, id = 0;
	int rc = in->named ? find_known(in, m, parent, &id, err) : 0;

	if (!rc && in->n == 0 && id) {
		in->known = true;
		in->t->conversation = in->named;
		in->t->tree_id = in->named_tree;
	}
	/* Another one of the same name stays what it is. */
	if (!in->known)
		in->named = 0;
	if (!rc && !id)
		rc = write_message(in, m, parent, &id, err);
	return rc ? rc : remember(in, id, err);
}

/* What was done of its calls, or of the calls whose results it tells. */
static int take_calls(struct history_import *in, const json_t *o,
		      const struct history_message *m, struct err *err)
{
	int64_t id = in->ids[in->n - 1];
	struct err why = {0};
	int rc;

	if (m->role == HISTORY_TOOL)
		return import_results(in->h, m, id, err);
	rc = m->role == HISTORY_ASSISTANT ? import_tool_runs(in->t, o, id, &why) : 0;
	if (rc == ERR_USAGE)
		return bad(in, why.text, err);
	if (rc)
		*err = why;
	return rc;
}

static int add_message(struct history_import *in, const json_t *o, struct err *err)
{
	struct history_message m = {0};
	int64_t n = 0, parent = 0;
	int rc;

	if (!in->t)
		return bad(in, "a message before any conversation", err);
	if (!import_int(o, "n", &n) || n < 1 || (uint64_t)n != in->n + 1)
		return bad(in, "messages are numbered 1, 2, 3, …", err);
	if (!import_int(o, "parent", &parent) || parent < 0 || parent >= n)
		return bad(in, "a message's parent is one before it, or 0", err);
	if (!history_role_from_name(import_str(o, "role"), &m.role) ||
	    !import_int(o, "created_ms", &m.created_ms))
		return bad(in, "a message needs role and created_ms", err);
	rc = read_parts(in, o, &m, err);
	if (!rc)
		rc = read_ids(in, o, &m, err);
	if (!rc)
		rc = read_run(in, o, &m, err);
	if (!rc)
		rc = take_message(in, &m, parent, err);
	return rc ? rc : take_calls(in, o, &m, err);
}

/* -- from outside ----------------------------------------------------------------- */

int history_import_begin(struct history_import **out, struct history *h, struct err *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return err_nomem(err, "import", sizeof(**out));
	(*out)->h = h;
	return 0;
}

int history_import_line(struct history_import *in, struct str line, struct err *err)
{
	struct json_tree tree;
	struct err why;
	struct str type;
	int rc;

	in->n_lines++;
	if (in->n_lines == 1 && line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
		line = (struct str){line.p + 3, line.n - 3};
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (!line.n)
		return 0;
	rc = json_tree_parse(&tree, line, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	if (rc == ERR_FAILED)
		return bad(in, why.text, err);
	if (rc)
		return err_set(err, rc, "line %zu: %s", in->n_lines, why.text);
	type = import_str(tree.root, "type");
	if (str_is(type, "conversation"))
		rc = begin_conversation(in, tree.root, err);
	else if (str_is(type, "message"))
		rc = add_message(in, tree.root, err);
	else
		rc = bad(in, "type: conversation or message expected", err);
	json_tree_release(&tree);
	return rc;
}

int history_import_end(struct history_import *in, struct history_imported *done,
		       struct err *err)
{
	int rc = 0;

	if (!in)
		return 0;
	if (err)
		rc = end_conversation(in, err);
	else if (in->open)
		sql_end(in->h, ERR_FAILED, NULL);
	if (done)
		*done = in->done;
	history_tree_free(in->t);
	buf_release(&in->title);
	free(in->ids);
	free(in);
	return rc;
}
