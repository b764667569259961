/* An answer in progress: gathering what is said, journalling it, making a message of it. */
#include "history/answer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/jsonw.h"

#define FLUSH_WAIT_MS 20

/* -- what was said ---------------------------------------------------------- */

static struct growing_part *add_part(struct history_answer *a, enum history_kind kind)
{
	struct growing_part *p;

	if (!a->parts || a->n_parts == a->cap_parts) {
		size_t cap = a->cap_parts ? a->cap_parts * 2 : 8;

		p = realloc(a->parts, cap * sizeof(*p));
		if (!p) {
			a->failed = true;
			return NULL;
		}
		a->parts = p;
		a->cap_parts = cap;
	}
	p = &a->parts[a->n_parts++];
	*p = (struct growing_part){.kind = kind};
	return p;
}

static struct growing_part *last_part(struct history_answer *a)
{
	return a->n_parts ? &a->parts[a->n_parts - 1] : NULL;
}

void history_answer_say(struct history_answer *a, enum history_kind kind, struct str text)
{
	struct growing_part *p = last_part(a);
	bool streams = kind == HISTORY_TEXT || kind == HISTORY_THINKING;

	if (!p || p->kind != kind || !streams)
		p = add_part(a, kind);
	if (!p)
		return;
	buf_adds(&p->text, text);
	a->dirty = true;
}

void history_answer_call_begin(struct history_answer *a, struct str name, struct str ref)
{
	struct growing_part *p = add_part(a, HISTORY_CALL);

	if (!p)
		return;
	p->open = true;
	buf_adds(&p->name, name);
	buf_adds(&p->ref, ref);
	a->dirty = true;
}

void history_answer_info(struct history_answer *a, struct str info)
{
	struct growing_part *p = last_part(a);

	if (!p)
		return;
	buf_reset(&p->info);
	buf_adds(&p->info, info);
	a->dirty = true;
}

/* The call of that number, begun without a name where nothing is known of it; now ended. */
static struct growing_part *end_call(struct history_answer *a, size_t call)
{
	size_t n = 0;

	a->dirty = true;
	for (size_t i = 0; i < a->n_parts; i++) {
		if (a->parts[i].kind == HISTORY_CALL && n++ == call) {
			a->parts[i].open = false;
			return &a->parts[i];
		}
	}
	return add_part(a, HISTORY_CALL);
}

void history_answer_call_end(struct history_answer *a, size_t call, struct str arguments)
{
	struct growing_part *p = end_call(a, call);

	if (!p)
		return;
	buf_reset(&p->text);
	buf_adds(&p->text, arguments);
}

/* NULL: there is no such call. */
static struct growing_part *end_badly(struct history_answer *a, size_t call, struct str arguments,
				      const char *how, struct str why)
{
	struct growing_part *p = end_call(a, call);

	if (!p)
		return NULL;
	buf_reset(&p->text);
	buf_adds(&p->text, arguments);
	buf_reset(&p->info);
	buf_addf(&p->info, "{\"%s\": ", how);
	json_add_quoted(&p->info, why);
	return p;
}

void history_answer_call_bad(struct history_answer *a, size_t call, struct str arguments,
			     struct str why)
{
	struct growing_part *p = end_badly(a, call, arguments, "bad", why);

	if (p)
		buf_addz(&p->info, "}");
}

void history_answer_call_ended(struct history_answer *a, size_t call, struct str arguments,
			       struct str why, int64_t n_ids)
{
	struct growing_part *p = end_badly(a, call, arguments, "ended", why);

	if (p)
		buf_addf(&p->info, ", \"ids\": %lld}", (long long)n_ids);
}

void history_answer_tokens(struct history_answer *a, const int32_t *ids, size_t n)
{
	if (n > a->cap_ids - a->n_ids) {
		size_t cap = a->cap_ids ? a->cap_ids : 256;
		int32_t *grown;

		while (cap - a->n_ids < n && cap < SIZE_MAX / 16)
			cap *= 2;
		grown = cap - a->n_ids < n ? NULL : realloc(a->ids, cap * sizeof(*grown));
		if (!grown) {
			a->failed = true;
			return;
		}
		a->ids = grown;
		a->cap_ids = cap;
	}
	if (n)
		memcpy(a->ids + a->n_ids, ids, n * sizeof(*ids));
	a->n_ids += n;
	a->dirty = true;
}

/* The answer so far, as parts and ids; borrowed until the next call on it. */
static const struct history_message *view_of(struct history_answer *a)
{
	struct history_message *m = &a->message;

	*m = (struct history_message){
		.role = HISTORY_ASSISTANT,
		.created_ms = clock_wall_ms(),
		.ids = a->n_ids ? a->ids : NULL,
		.n_ids = a->n_ids,
		.conversation = a->t->conversation,
		.parent = a->parent,
		.depth = a->parent->depth + 1,
	};
	if (a->n_parts > a->cap_view) {
		struct history_part *grown = realloc(a->view, a->cap_parts * sizeof(*grown));

		if (!grown) {
			a->failed = true;
			return m;
		}
		a->view = grown;
		a->cap_view = a->cap_parts;
	}
	for (size_t i = 0; i < a->n_parts; i++) {
		struct growing_part *p = &a->parts[i];

		a->view[i] = (struct history_part){p->kind, buf_str(&p->name), buf_str(&p->ref),
						   buf_str(&p->text), buf_str(&p->info)};
		if (p->open)
			a->view[i].info = STR_LIT("{\"cut\": true}");
	}
	m->parts = a->view;
	m->n_parts = a->n_parts;
	return m;
}

static bool out_of_memory(const struct history_answer *a)
{
	bool failed = a->failed;

	for (size_t i = 0; i < a->n_parts; i++) {
		const struct growing_part *p = &a->parts[i];

		failed |= buf_failed(&p->name) || buf_failed(&p->ref) || buf_failed(&p->text) ||
			  buf_failed(&p->info);
	}
	return failed;
}

/* -- beginning ---------------------------------------------------------------- */

/* A copy of what `m` says, without its calls and without what made it fail. */
static void resume_from(struct history_answer *a, const struct history_message *m)
{
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct history_part *from = &m->parts[i];
		struct growing_part *p = NULL;

		if (from->kind != HISTORY_CALL &&
		    !(from->kind == HISTORY_NOTICE && from->info.n))
			p = add_part(a, from->kind);
		if (!p)
			continue;
		buf_adds(&p->name, from->name);
		buf_adds(&p->ref, from->ref);
		buf_adds(&p->text, from->text);
		buf_adds(&p->info, from->info);
	}
	history_answer_tokens(a, m->ids, m->n_ids);
}

static int write_beginning(struct history_answer *a, const struct history_run *settings,
			   int64_t *conversation, int64_t *tree_id, struct err *err)
{
	struct history_tree *t = a->t;
	int rc = 0;

	*conversation = t->conversation;
	*tree_id = t->tree_id;
	if (!*conversation) {
		rc = tree_write_conversation(t, conversation, tree_id, clock_wall_ms(), err);
		if (!rc)
			rc = tree_write_leaf(t->h, *conversation, a->parent->id, err);
	}
	if (!rc)
		rc = tree_write_run(t->h, *conversation, 0, settings, &a->run_id, err);
	return rc;
}

int history_answer_begin(struct history_answer **out, struct history_tree *t,
			 const struct history_run *settings,
			 const struct history_message *resume, struct err *err)
{
	struct history_message *parent = resume ? resume->parent : t->leaf;
	struct history_answer *a;
	int64_t conversation = 0, tree_id = 0;
	int rc;

	*out = NULL;
	if (!parent)
		return err_set(err, ERR_USAGE, "there is nothing to answer yet");
	a = calloc(1, sizeof(*a));
	if (!a)
		return err_nomem(err, "answer", sizeof(*a));
	a->t = t;
	a->parent = parent;
	a->flushed_at = clock_ms();
	if (resume)
		resume_from(a, resume);
	rc = out_of_memory(a) ? err_nomem(err, "answer", sizeof(*a)) : sql_begin(t->h, err);
	if (!rc) {
		rc = write_beginning(a, settings, &conversation, &tree_id, err);
		rc = sql_end(t->h, rc, err);
	}
	if (rc) {
		history_answer_free(a);
		return rc;
	}
	t->conversation = conversation;
	t->tree_id = tree_id;
	*out = a;
	return 0;
}

/* -- the journal ----------------------------------------------------------------- */

int history_answer_due_ms(const struct history_answer *a)
{
	int64_t left = a->flushed_at + HISTORY_JOURNAL_MS - clock_ms();

	if (!a->dirty)
		return -1;
	return left > 0 ? (int)left : 0;
}

int history_answer_flush(struct history_answer *a, struct err *err)
{
	struct history *h = a->t->h;
	int wait_ms = h->wait_ms;
	int rc;

	if (!a->dirty)
		return 0;
	if (out_of_memory(a))
		return err_nomem(err, "answer", a->n_ids);
	a->flushed_at = clock_ms();
	history_set_wait_ms(h, wait_ms < FLUSH_WAIT_MS ? wait_ms : FLUSH_WAIT_MS);
	rc = sql_begin(h, err);
	if (!rc) {
		rc = journal_write(a, err);
		rc = sql_end(h, rc, err);
	}
	history_set_wait_ms(h, wait_ms);
	if (rc && h->was_busy) {
		*err = (struct err){0};
		return 0;
	}
	if (!rc)
		journal_written(a);
	return rc;
}

/* -- the end ------------------------------------------------------------------------ */

static int write_end(struct history_answer *a, const struct history_message *m,
		     const struct history_run *result, int64_t *id, struct err *err)
{
	struct history_tree *t = a->t;
	int64_t conversation, tree_id;
	int rc = 0;

	if (m->n_parts || m->n_ids) {
		rc = tree_write(t, m, a->parent->id, m->depth, &conversation, &tree_id, id,
				err);
		if (!rc)
			rc = tree_finish_run(t->h, a->run_id, *id, result, err);
		if (!rc)
			rc = tree_write_leaf(t->h, conversation, *id, err);
	} else {
		rc = sql_run(t->h, err, "DELETE FROM run WHERE id = ?", "i", a->run_id);
	}
	return rc;
}

/* The run as it is kept in memory: its row's settings and, by now, the result. */
static int read_back(struct history_answer *a, struct history_message *copy, struct err *err)
{
	struct history_run *run = pool_get(&a->t->pool, sizeof(*run));

	copy->run = run;
	return run ? tree_read_run(a->t, a->run_id, run, err)
		   : err_nomem(err, "answer", sizeof(*run));
}

int history_answer_commit(struct history_answer *a, const struct history_run *result,
			  const struct history_message **out, struct err *err)
{
	struct history_tree *t = a->t;
	const struct history_message *m = view_of(a);
	struct history_message *copy = tree_copy(t, m);
	bool empty = m->n_parts == 0 && m->n_ids == 0;
	int64_t id = 0;
	int rc;

	if (out)
		*out = NULL;
	if (!copy || out_of_memory(a))
		return err_nomem(err, "answer", sizeof(*copy));
	rc = tree_reserve(t, err);
	if (!rc)
		rc = sql_begin(t->h, err);
	if (rc)
		return rc;
	rc = write_end(a, m, result, &id, err);
	if (!rc && !empty)
		rc = read_back(a, copy, err);
	if (!rc && a->journal_id)
		rc = journal_drop(t->h, a->journal_id, err);
	rc = sql_end(t->h, rc, err);
	if (rc)
		return rc;
	if (!empty) {
		tree_adopt(t, copy, a->parent, t->conversation, t->tree_id, id);
		if (out)
			*out = copy;
	}
	history_answer_free(a);
	return 0;
}

int history_answer_drop(struct history_answer *a, struct err *err)
{
	struct history *h = a->t->h;
	int rc = sql_begin(h, err);

	if (!rc) {
		rc = a->journal_id ? journal_drop(h, a->journal_id, err) : 0;
		if (!rc)
			rc = sql_run(h, err, "DELETE FROM run WHERE id = ?", "i", a->run_id);
		rc = sql_end(h, rc, err);
	}
	history_answer_free(a);
	return rc;
}

void history_answer_free(struct history_answer *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_parts; i++) {
		buf_release(&a->parts[i].name);
		buf_release(&a->parts[i].ref);
		buf_release(&a->parts[i].text);
		buf_release(&a->parts[i].info);
	}
	free(a->parts);
	free(a->ids);
	free(a->view);
	free(a);
}
