/* Walking a conversation's messages: branches, siblings, the leaf. */
#include "history/tree.h"

#include <stdlib.h>
#include <string.h>

#include "history/uid.h"

/* -- memory ---------------------------------------------------------------- */

static int copy_parts(struct history_tree *t, const struct history_message *m,
		      struct history_message *to)
{
	struct history_part *parts = pool_array(&t->pool, m->n_parts, sizeof(*parts));
	int rc = parts ? 0 : ERR_NOMEM;

	for (size_t i = 0; i < m->n_parts && !rc; i++) {
		const struct history_part *from = &m->parts[i];

		parts[i].kind = from->kind;
		rc = pool_str(&t->pool, from->name, &parts[i].name);
		if (!rc)
			rc = pool_str(&t->pool, from->ref, &parts[i].ref);
		if (!rc)
			rc = pool_str(&t->pool, from->text, &parts[i].text);
		if (!rc)
			rc = pool_str(&t->pool, from->info, &parts[i].info);
	}
	to->parts = parts;
	to->n_parts = m->n_parts;
	return rc;
}

static int copy_run(struct history_tree *t, const struct history_run *from,
		    const struct history_run **to)
{
	struct history_run *run = pool_get(&t->pool, sizeof(*run));
	const char **words[] = {&run->model,  &run->identity, &run->build,
				&run->device, &run->effort,   &run->prefill,
				&run->drafts, &run->stop};

	if (!run)
		return ERR_NOMEM;
	*run = *from;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct str copy;

		if (pool_str(&t->pool, str_of(*words[i]), &copy))
			return ERR_NOMEM;
		*words[i] = copy.p;
	}
	*to = run;
	return 0;
}

struct history_message *tree_copy(struct history_tree *t, const struct history_message *m)
{
	struct history_message *to = pool_get(&t->pool, sizeof(*to));
	int32_t *ids = NULL;

	if (!to)
		return NULL;
	to->id = m->id;
	to->role = m->role;
	to->created_ms = m->created_ms;
	to->conversation = m->conversation;
	if (copy_parts(t, m, to))
		return NULL;
	if (m->ids) {
		ids = pool_array(&t->pool, m->n_ids ? m->n_ids : 1, sizeof(*ids));
		if (!ids)
			return NULL;
		if (m->n_ids)
			memcpy(ids, m->ids, m->n_ids * sizeof(*ids));
		to->ids = ids;
		to->n_ids = m->n_ids;
	}
	if (m->run && copy_run(t, m->run, &to->run))
		return NULL;
	BUG_ON(m->foreign); /* only an import writes such, and keeps no copy */
	return to;
}

int tree_reserve(struct history_tree *t, struct err *err)
{
	size_t cap = t->cap ? t->cap * 2 : 64;
	struct history_message **grown;
	const struct history_message **path = NULL;

	if (t->n < t->cap)
		return 0;
	grown = realloc(t->messages, cap * sizeof(struct history_message *));
	if (grown) {
		t->messages = grown;
		path = realloc(t->path, cap * sizeof(const struct history_message *));
	}
	if (!path)
		return err_nomem(err, "conversation", cap * sizeof(struct history_message *));
	t->path = path;
	t->cap = cap;
	return 0;
}

void tree_link(struct history_tree *t, struct history_message *m,
	       struct history_message *parent)
{
	struct history_message **first = parent ? &parent->first_child : &t->first;
	struct history_message **last = parent ? &parent->last_child : &t->last;

	m->parent = parent;
	m->depth = parent ? parent->depth + 1 : 0;
	if (*last)
		(*last)->next = m;
	else
		*first = m;
	*last = m;
	t->messages[t->n++] = m;
}

/* -- from outside ----------------------------------------------------------- */

static struct history_tree *new_tree(struct history *h, struct err *err)
{
	struct history_tree *t = calloc(1, sizeof(*t));

	if (!t) {
		err_nomem(err, "conversation", sizeof(*t));
		return NULL;
	}
	t->h = h;
	return t;
}

int history_tree_new(struct history_tree **out, struct history *h, struct err *err)
{
	*out = new_tree(h, err);
	if (!*out)
		return err->code;
	uid_make((*out)->uid);
	return 0;
}

int history_tree_open(struct history_tree **out, struct history *h, int64_t conversation,
		      struct err *err)
{
	struct history_tree *t = new_tree(h, err);
	sqlite3_stmt *st;
	int64_t leaf = 0;
	int rc;

	*out = NULL;
	if (!t)
		return err->code;
	rc = sql_begin_read(h, err);
	if (rc)
		goto done;
	st = sql_get(h, err,
		     "SELECT uid, tree_id, leaf_id, title <> '', forked_at"
		     " FROM conversation WHERE id = ?",
		     "i", conversation);
	rc = st ? sql_row(h, st, err) : err->code;
	if (rc == 0)
		rc = err_set(err, ERR_USAGE, "conversation %lld is not in the history",
			     (long long)conversation);
	if (rc > 0) {
		snprintf(t->uid, sizeof(t->uid), "%s",
			 (const char *)sqlite3_column_text(st, 0));
		t->conversation = conversation;
		t->tree_id = sqlite3_column_int64(st, 1);
		leaf = sqlite3_column_int64(st, 2);
		t->titled = sqlite3_column_int(st, 3) != 0;
		t->forked_at = sqlite3_column_int64(st, 4);
		sql_done(st);
		rc = tree_load(t, err);
	}
	rc = sql_end(h, rc, err);
	if (rc)
		goto done;
	/* The tree's memory is ours: what find gives as const may change here. */
	t->leaf = (struct history_message *)history_tree_find(t, leaf);
	if (leaf && !t->leaf)
		rc = err_set(err, ERR_STORE,
			     "%s: conversation %s shows message %lld, which is not in its tree",
			     h->path, t->uid, (long long)leaf);
done:
	if (rc)
		history_tree_free(t);
	else
		*out = t;
	return rc;
}

int history_tree_fork(struct history_tree **out, struct history_tree *from,
		      const struct history_message *at, struct err *err)
{
	struct history_tree *t;
	int rc;

	*out = NULL;
	if (!at)
		at = from->leaf;
	if (!at || !from->conversation)
		return err_set(err, ERR_USAGE,
			       "nothing was said yet: there is nothing to fork");
	t = new_tree(from->h, err);
	if (!t)
		return err->code;
	uid_make(t->uid);
	t->tree_id = from->tree_id;
	t->forked_at = at->id;
	rc = sql_begin_read(t->h, err);
	if (!rc) {
		rc = tree_load(t, err);
		rc = sql_end(t->h, rc, err);
	}
	if (!rc) {
		t->leaf = (struct history_message *)history_tree_find(t, at->id);
		if (!t->leaf)
			rc = err_set(err, ERR_USAGE, "message %lld was removed meanwhile",
				     (long long)at->id);
	}
	if (rc)
		history_tree_free(t);
	else
		*out = t;
	return rc;
}

int history_tree_behind(struct history_tree *t, bool *behind, struct err *err)
{
	int64_t ours = 0, newest = 0;
	int rc;

	for (size_t i = t->n; i-- > 0 && !ours;)
		if (t->messages[i]->conversation == t->conversation)
			ours = t->messages[i]->id;
	rc = sql_int(t->h, &newest, 0, err,
		     "SELECT max(id) FROM message WHERE tree_id = ? AND conversation_id = ?",
		     "ii", t->tree_id, t->conversation);
	*behind = !rc && newest > ours;
	return rc;
}

void history_tree_free(struct history_tree *t)
{
	if (!t)
		return;
	pool_release(&t->pool);
	free(t->messages);
	free(t->path);
	free(t);
}

int64_t history_tree_conversation(const struct history_tree *t)
{
	return t->conversation;
}

const char *history_tree_uid(const struct history_tree *t)
{
	return t->uid;
}

const struct history_message *history_tree_leaf(const struct history_tree *t)
{
	return t->leaf;
}

/* Where the message `id`, or the first with a higher one, stands in the array. */
static size_t place_of(const struct history_tree *t, int64_t id)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->messages[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct history_message *history_tree_find(const struct history_tree *t, int64_t id)
{
	size_t at = place_of(t, id);

	return at < t->n && t->messages[at]->id == id ? t->messages[at] : NULL;
}

const struct history_message *history_tree_each(const struct history_tree *t,
						const struct history_message *m)
{
	size_t at = m ? place_of(t, m->id) + 1 : 0;

	return at < t->n ? t->messages[at] : NULL;
}

const struct history_message *const *history_tree_path(struct history_tree *t, size_t *n)
{
	static const struct history_message *const nothing[1];
	const struct history_message *m = t->leaf;
	size_t want = m ? m->depth + 1 : 0;

	*n = 0;
	if (!m)
		return nothing;
	if (t->path_of == m) {
		*n = t->n_path;
		return t->path;
	}
	for (size_t i = want; i-- > 0; m = m->parent)
		t->path[i] = m;
	t->path_of = t->leaf;
	t->n_path = *n = want;
	return t->path;
}

static const struct history_message *first_sibling(const struct history_tree *t,
						   const struct history_message *m)
{
	return m->parent ? m->parent->first_child : t->first;
}

void history_tree_siblings(const struct history_tree *t, const struct history_message *m,
			   size_t *pos, size_t *n)
{
	*pos = *n = 0;
	for (const struct history_message *s = first_sibling(t, m); s; s = s->next, (*n)++) {
		if (s == m)
			*pos = *n;
	}
}

const struct history_message *history_tree_sibling(const struct history_tree *t,
						   const struct history_message *m, int step)
{
	const struct history_message *s = first_sibling(t, m);
	size_t pos, n, want;

	history_tree_siblings(t, m, &pos, &n);
	if (step < 0 ? pos < (size_t) - (int64_t)step : n - pos <= (size_t)step)
		return NULL;
	want = step < 0 ? pos - (size_t) - (int64_t)step : pos + (size_t)step;
	while (want--)
		s = s->next;
	return s;
}

void history_tree_rewind(struct history_tree *t, const struct history_message *m)
{
	t->leaf = (struct history_message *)m;
}

/* The newest message at or under m is the one with the highest id among its descendants. */
static struct history_message *newest_under(struct history_tree *t,
					    const struct history_message *m)
{
	for (size_t i = t->n; i-- > 0;) {
		const struct history_message *up = t->messages[i];

		if (up->first_child)
			continue;
		while (up && up->depth > m->depth)
			up = up->parent;
		if (up == m)
			return t->messages[i];
	}
	BUG("a message without a leaf under it");
}

int history_tree_go(struct history_tree *t, const struct history_message *m, struct err *err)
{
	struct history_message *leaf = newest_under(t, m);
	int rc = 0;

	/* A fork that nothing was said in yet has no row to point with. */
	if (t->conversation) {
		rc = sql_run(t->h, err, "UPDATE conversation SET leaf_id = ? WHERE id = ?",
			     "ii", leaf->id, t->conversation);
		if (rc)
			return rc;
	}
	t->leaf = leaf;
	return 0;
}

void history_message_add_text(const struct history_message *m, enum history_kind kind,
			      struct buf *out)
{
	for (size_t i = 0; i < m->n_parts; i++) {
		if (m->parts[i].kind == kind)
			buf_adds(out, m->parts[i].text);
	}
}

bool history_message_unfinished(const struct history_message *m)
{
	return m->role == HISTORY_ASSISTANT && m->ids && m->n_ids && m->run && m->run->stop &&
	       strcmp(m->run->stop, "stop") != 0 && strcmp(m->run->stop, "tool_calls") != 0;
}
