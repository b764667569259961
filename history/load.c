/*
 * A tree out of the file: two passes in the order of ids, one over messages with their
 * runs, one over parts, each a walk along an index; then each message is held against its
 * seal.
 */
#include <stdlib.h>
#include <string.h>

#include "history/seal.h"
#include "history/tree.h"

static int damaged(struct history_tree *t, int64_t id, const char *what, struct err *err)
{
	return err_set(err, ERR_STORE,
		       "%s: message %lld: %s (dsv4chat history verify says more)", t->h->path,
		       (long long)id, what);
}

static const char *word(struct history_tree *t, sqlite3_stmt *st, int column)
{
	struct str copy;

	return pool_str(&t->pool, sql_str(st, column), &copy) ? NULL : copy.p;
}

#define RUN_COLUMNS                                                                            \
	"r.model, r.identity, r.build, r.device, r.effort, r.prefill, r.drafts, r.stop,"       \
	" r.temperature, r.top_p, r.min_p, r.seed,"                                            \
	" r.top_k, r.max_tokens, r.ctx_tokens, r.resumed_tokens, r.started_ms,"                \
	" r.finished_ms, r.prompt_tokens, r.cached_tokens, r.thinking_tokens,"                 \
	" r.output_tokens, r.drafted, r.accepted, r.prefill_ms, r.decode_ms, r.total_ms,"  \
	" r.thinking_ended, r.disk_tokens, r.disk_ms, r.steps"

/* RUN_COLUMNS, from column c on. */
static int read_run(struct history_tree *t, sqlite3_stmt *st, int c, struct history_run *r)
{
	const char **words[] = {&r->model,  &r->identity, &r->build,
				&r->device, &r->effort,   &r->prefill,
				&r->drafts, &r->stop};
	int64_t *counts[] = {&r->top_k,          &r->max_tokens,    &r->ctx_tokens,
			     &r->resumed_tokens, &r->started_ms,    &r->finished_ms,
			     &r->prompt_tokens,  &r->cached_tokens, &r->thinking_tokens,
			     &r->output_tokens,  &r->drafted,       &r->accepted,
			     &r->prefill_ms,     &r->decode_ms,     &r->total_ms,
			     &r->thinking_ended, &r->disk_tokens,   &r->disk_ms,
			     &r->steps};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		*words[i] = word(t, st, c++);
		if (!*words[i])
			return ERR_NOMEM;
	}
	r->temperature = sqlite3_column_double(st, c++);
	r->top_p = sqlite3_column_double(st, c++);
	r->min_p = sqlite3_column_double(st, c++);
	r->seed = (uint64_t)sqlite3_column_int64(st, c++);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		*counts[i] = sqlite3_column_int64(st, c++);
	return 0;
}

int tree_read_run(struct history_tree *t, int64_t id, struct history_run *run, struct err *err)
{
	sqlite3_stmt *st =
		sql_get(t->h, err, "SELECT " RUN_COLUMNS " FROM run r WHERE r.id = ?", "i", id);
	int rc = st ? sql_row(t->h, st, err) : err->code;

	if (rc == 0)
		return err_set(err, ERR_STORE,
			       "%s: the conversation was removed from the history meanwhile",
			       t->h->path);
	if (rc < 0)
		return rc;
	rc = read_run(t, st, 0, run);
	sql_done(st);
	return rc ? err_nomem(err, "run", sizeof(*run)) : 0;
}

static int read_ids(struct history_tree *t, sqlite3_stmt *st, int column,
		    struct history_message *m)
{
	struct str blob = sql_str(st, column);
	int32_t *ids;

	if (sqlite3_column_type(st, column) == SQLITE_NULL)
		return 0;
	if (blob.n % sizeof(int32_t))
		return ERR_STORE;
	ids = pool_get(&t->pool, blob.n + sizeof(int32_t));
	if (!ids)
		return ERR_NOMEM;
	m->n_ids = blob.n / sizeof(int32_t);
	for (size_t i = 0; i < m->n_ids; i++)
		ids[i] = sql_get_le32(blob.p + i * sizeof(int32_t));
	m->ids = ids;
	return 0;
}

/* SEAL_BYTES for each message, in the tree's order; what is no seal fits nothing. */
static int add_seal(struct buf *seals, struct str seal)
{
	static const char none[SEAL_BYTES];

	buf_add(seals, seal.n == SEAL_BYTES ? seal.p : none, SEAL_BYTES);
	return buf_failed(seals) ? ERR_NOMEM : 0;
}

/* Ids and identity that an import claimed go out of everyone's way. */
static int set_apart(struct history_tree *t, struct history_message *m)
{
	struct history_foreign *f = pool_get(&t->pool, sizeof(*f));
	struct history_run *run = (struct history_run *)m->run;

	if (!f)
		return ERR_NOMEM;
	*f = (struct history_foreign){m->ids, m->n_ids, run ? run->identity : ""};
	if (run)
		run->identity = "";
	m->ids = NULL;
	m->n_ids = 0;
	m->foreign = f;
	return 0;
}

static int add_message(struct history_tree *t, sqlite3_stmt *st, struct buf *seals,
		       struct err *err)
{
	struct history_message *m = pool_get(&t->pool, sizeof(*m));
	int64_t id = sqlite3_column_int64(st, 0), parent_id = sqlite3_column_int64(st, 2);
	struct history_message *parent = NULL;
	int rc;

	if (!m)
		return err_nomem(err, "message", sizeof(*m));
	rc = tree_reserve(t, err);
	if (rc)
		return rc;
	m->id = id;
	m->conversation = sqlite3_column_int64(st, 1);
	m->created_ms = sqlite3_column_int64(st, 4);
	if (!history_role_from_name(sql_str(st, 3), &m->role))
		return damaged(t, id, "its role is unknown", err);
	/* Parents come first, so that nothing in memory can go round in a circle. */
	if (parent_id) {
		parent = (struct history_message *)history_tree_find(t, parent_id);
		if (!parent)
			return damaged(t, id, "its parent is not before it in its tree", err);
	}
	rc = read_ids(t, st, 5, m);
	if (rc == ERR_STORE)
		return damaged(t, id, "its token ids are cut", err);
	if (!rc && sqlite3_column_type(st, 8) != SQLITE_NULL) {
		struct history_run *run = pool_get(&t->pool, sizeof(*run));

		rc = run ? read_run(t, st, 8, run) : ERR_NOMEM;
		m->run = run;
	}
	if (!rc && sqlite3_column_int(st, 7))
		rc = set_apart(t, m);
	if (!rc && add_seal(seals, sql_str(st, 6)))
		rc = ERR_NOMEM;
	if (rc)
		return err_nomem(err, "message", sizeof(*m));
	tree_link(t, m, parent);
	return 0;
}

static int read_messages(struct history_tree *t, struct buf *seals, struct err *err)
{
	sqlite3_stmt *st =
		sql_get(t->h, err,
			"SELECT m.id, m.conversation_id, m.parent_id, m.role, m.created_ms,"
			" m.token_ids, m.seal, m.foreign_ids,"
			" " RUN_COLUMNS " FROM message m LEFT JOIN run r ON r.message_id = m.id"
			" WHERE m.tree_id = ? ORDER BY m.id",
			"i", t->tree_id);
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(t->h, st, err)) > 0) {
		/* Two runs of one message can only be someone else's doing; the first counts.
		 */
		if (t->n && t->messages[t->n - 1]->id == sqlite3_column_int64(st, 0))
			continue;
		rc = add_message(t, st, seals, err);
		if (rc)
			break;
	}
	sql_done(st);
	return rc;
}

struct part_run {
	struct history_part *items;
	size_t n, cap;
};

static int add_part(struct history_tree *t, sqlite3_stmt *st, struct part_run *run,
		    struct err *err)
{
	struct history_part *p;
	int rc;

	if (run->n == run->cap) {
		size_t cap = run->cap ? run->cap * 2 : 16;

		p = realloc(run->items, cap * sizeof(*p));
		if (!p)
			return err_nomem(err, "parts", cap * sizeof(*p));
		run->items = p;
		run->cap = cap;
	}
	p = &run->items[run->n];
	if (!history_kind_from_name(sql_str(st, 1), &p->kind))
		return damaged(t, sqlite3_column_int64(st, 0), "a part's kind is unknown", err);
	rc = pool_str(&t->pool, sql_str(st, 2), &p->name);
	if (!rc)
		rc = pool_str(&t->pool, sql_str(st, 3), &p->ref);
	if (!rc)
		rc = pool_str(&t->pool, sql_str(st, 4), &p->text);
	if (!rc)
		rc = pool_str(&t->pool, sql_str(st, 5), &p->info);
	if (rc)
		return err_nomem(err, "part", sizeof(*p));
	run->n++;
	return 0;
}

/* Hands the gathered parts to the message they belong to. */
static int close_run(struct history_tree *t, struct part_run *run, int64_t message,
		     struct err *err)
{
	struct history_message *m = (struct history_message *)history_tree_find(t, message);
	struct history_part *parts;

	if (run->n == 0)
		return 0;
	if (!m)
		return damaged(t, message, "it has parts but is not in its tree", err);
	parts = pool_array(&t->pool, run->n, sizeof(*parts));
	if (!parts)
		return err_nomem(err, "parts", run->n * sizeof(*parts));
	memcpy(parts, run->items, run->n * sizeof(*parts));
	m->parts = parts;
	m->n_parts = run->n;
	run->n = 0;
	return 0;
}

static int read_parts(struct history_tree *t, struct err *err)
{
	sqlite3_stmt *st = sql_get(t->h, err,
				   "SELECT p.message_id, p.kind, p.name, p.ref, p.text, p.info"
				   " FROM message m CROSS JOIN part p ON p.message_id = m.id"
				   " WHERE m.tree_id = ? ORDER BY m.id, p.seq",
				   "i", t->tree_id);
	struct part_run run = {0};
	int64_t message = 0;
	int rc;

	if (!st)
		return err->code;
	while ((rc = sql_row(t->h, st, err)) > 0) {
		int64_t id = sqlite3_column_int64(st, 0);

		rc = id != message ? close_run(t, &run, message, err) : 0;
		message = id;
		if (!rc)
			rc = add_part(t, st, &run, err);
		if (rc)
			break;
	}
	sql_done(st);
	if (!rc)
		rc = close_run(t, &run, message, err);
	free(run.items);
	return rc;
}

/* Tells it where everything of the message is told, and keeps its ids from being used. */
static int mark_damaged(struct history_tree *t, struct history_message *m, struct err *err)
{
	static const struct history_part notice = {
		.kind = HISTORY_NOTICE,
		.text = STR_LIT("damaged: this is not what was written"),
		.name = STR_LIT(""),
		.ref = STR_LIT(""),
		.info = STR_LIT("")};
	struct history_part *parts = pool_array(&t->pool, m->n_parts + 1, sizeof(*parts));

	if (!parts)
		return err_nomem(err, "parts", m->n_parts * sizeof(*parts));
	if (m->n_parts)
		memcpy(parts, m->parts, m->n_parts * sizeof(*parts));
	parts[m->n_parts] = notice;
	m->parts = parts;
	m->n_parts++;
	m->damaged = true;
	m->ids = NULL;
	m->n_ids = 0;
	m->foreign = NULL;
	return 0;
}

static int check_seals(struct history_tree *t, const struct buf *seals, struct err *err)
{
	struct buf scratch = {0};
	int rc = 0;

	for (size_t i = 0; i < t->n && !rc; i++) {
		struct history_message *m = t->messages[i];
		unsigned char seal[SEAL_BYTES];

		rc = m->foreign ? seal_of(m, m->foreign->ids, m->foreign->n_ids, &scratch, seal,
					  err)
				: seal_of(m, m->ids, m->n_ids, &scratch, seal, err);
		if (!rc && (!seals->data ||
			    memcmp(seals->data + i * SEAL_BYTES, seal, SEAL_BYTES) != 0))
			rc = mark_damaged(t, m, err);
	}
	buf_release(&scratch);
	return rc;
}

int tree_load(struct history_tree *t, struct err *err)
{
	struct buf seals = {0};
	int rc = read_messages(t, &seals, err);

	if (!rc)
		rc = read_parts(t, err);
	if (!rc)
		rc = check_seals(t, &seals, err);
	buf_release(&seals);
	return rc;
}
