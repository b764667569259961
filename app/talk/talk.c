#include "app/talk/talk.h"

#include <stdlib.h>
#include <string.h>

static int64_t last_message_id;

struct talk_message *talk_message_new(enum chat_role role, struct err *err)
{
	struct talk_message *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		err_nomem(err, "message", sizeof(*m));
		return NULL;
	}
	m->id = ++last_message_id;
	m->role = role;
	m->thinking_ms = m->thinking_tokens = -1;
	return m;
}

void talk_message_free(struct talk_message *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n_calls; i++) {
		buf_release(&m->calls[i].name);
		buf_release(&m->calls[i].arguments);
	}
	free(m->calls);
	free(m->ids);
	buf_release(&m->text);
	buf_release(&m->thinking);
	free(m);
}

int talk_message_add_ids(struct talk_message *m, const token_id *ids, size_t n, struct err *err)
{
	token_id *v;

	if (n == 0)
		return 0;
	v = realloc(m->ids, (m->n_ids + n) * sizeof(*v));
	if (v == NULL)
		return err_nomem(err, "token ids", (m->n_ids + n) * sizeof(*v));
	memcpy(v + m->n_ids, ids, n * sizeof(*v));
	m->ids = v;
	m->n_ids += n;
	return 0;
}

int talk_message_copy(struct talk_message **out, const struct talk_message *m, struct err *err)
{
	struct talk_message *c = talk_message_new(m->role, err);
	bool failed;

	if (c == NULL)
		return ERR_NOMEM;
	buf_adds(&c->text, buf_str(&m->text));
	buf_adds(&c->thinking, buf_str(&m->thinking));
	failed = buf_failed(&c->text) || buf_failed(&c->thinking);
	if (m->n_calls > 0) {
		c->calls = calloc(m->n_calls, sizeof(*c->calls));
		failed |= c->calls == NULL;
	}
	for (; !failed && c->n_calls < m->n_calls; c->n_calls++) {
		struct talk_call *to = &c->calls[c->n_calls];

		buf_adds(&to->name, buf_str(&m->calls[c->n_calls].name));
		buf_adds(&to->arguments, buf_str(&m->calls[c->n_calls].arguments));
		to->bad = m->calls[c->n_calls].bad;
	}
	for (size_t i = 0; i < c->n_calls; i++)
		failed |= buf_failed(&c->calls[i].name) || buf_failed(&c->calls[i].arguments);
	if (failed || talk_message_add_ids(c, m->ids, m->n_ids, err) < 0) {
		talk_message_free(c);
		return err_nomem(err, "message", m->text.len + m->thinking.len);
	}
	c->unfinished = m->unfinished;
	c->thinking_ms = m->thinking_ms;
	c->thinking_tokens = m->thinking_tokens;
	c->context_tokens = m->context_tokens;
	c->run = m->run;
	*out = c;
	return 0;
}

/* ---- one tree ---- */

static struct talk_message *siblings_of(const struct talk *t, const struct talk_message *m)
{
	return m->parent != NULL ? m->parent->first_child : t->first;
}

void talk_attach(struct talk *t, struct talk_message *parent, struct talk_message *m)
{
	struct talk_message **at = parent != NULL ? &parent->first_child : &t->first;

	m->parent = parent;
	while (*at != NULL)
		at = &(*at)->next;
	*at = m;
	if (parent != NULL)
		parent->newest_child = m;
	else
		t->newest_first = m;
}

/* A conversation is called by the beginning of what was asked first. */
static void name_it(struct talk *t, const struct talk_message *m)
{
	size_t n = 0;

	while (n < m->text.len && m->text.data[n] != '\n' && n < 200)
		n++;
	while (n > 0 && n < m->text.len && ((unsigned char)m->text.data[n] & 0xC0) == 0x80)
		n--;
	buf_reset(&t->title);
	buf_add(&t->title, m->text.data, n);
}

void talk_say(struct talk *t, struct talk_message *m, int64_t now_ms)
{
	talk_attach(t, t->leaf, m);
	t->leaf = m;
	t->updated_ms = now_ms;
	if (t->title.len == 0 && m->role == CHAT_USER)
		name_it(t, m);
}

size_t talk_path(const struct talk *t, const struct talk_message **out, size_t max)
{
	size_t n = 0, i;

	for (const struct talk_message *m = t->leaf; m != NULL; m = m->parent)
		n++;
	i = n;
	for (const struct talk_message *m = t->leaf; m != NULL; m = m->parent)
		if (--i < max)
			out[i] = m;
	return n;
}

/* The message after m in an order that visits every one; NULL at the end. */
static struct talk_message *next_of(struct talk_message *m)
{
	if (m->first_child != NULL)
		return m->first_child;
	while (m != NULL && m->next == NULL)
		m = m->parent;
	return m != NULL ? m->next : NULL;
}

struct talk_message *talk_find(const struct talk *t, int64_t id)
{
	for (struct talk_message *m = t->first; m != NULL; m = next_of(m))
		if (m->id == id)
			return m;
	return NULL;
}

int talk_place(const struct talk *t, const struct talk_message *m, int *n)
{
	int place = 0;

	*n = 0;
	for (const struct talk_message *s = siblings_of(t, m); s != NULL; s = s->next) {
		if (s == m)
			place = *n;
		++*n;
	}
	return place;
}

struct talk_message *talk_sibling(const struct talk *t, const struct talk_message *m, int step)
{
	int n, place = talk_place(t, m, &n) + step;
	struct talk_message *s = siblings_of(t, m);

	if (place < 0 || place >= n)
		return NULL;
	while (place-- > 0)
		s = s->next;
	return s;
}

void talk_show(struct talk *t, struct talk_message *m)
{
	if (m->parent != NULL)
		m->parent->newest_child = m;
	else
		t->newest_first = m;
	while (m->newest_child != NULL)
		m = m->newest_child;
	t->leaf = m;
}

void talk_rewind(struct talk *t, struct talk_message *m)
{
	t->leaf = m;
}

void talk_show_stored(struct talk *t, int64_t stored)
{
	struct talk_message *m = t->first;

	while (m != NULL && m->stored != stored)
		m = next_of(m);
	if (m == NULL)
		return;
	t->leaf = m;
	for (; m->parent != NULL; m = m->parent)
		m->parent->newest_child = m;
	t->newest_first = m;
}

size_t talk_count_unstored(const struct talk *t)
{
	size_t n = 0;

	for (struct talk_message *m = t->first; m != NULL; m = next_of(m))
		n += m->stored == 0;
	return n;
}

void talk_forget(struct talk *t)
{
	struct talk_message *m;

	/* Leaves first: what has no children goes, and its parent forgets it. */
	m = t->first;
	while (m != NULL) {
		struct talk_message *parent = m->parent, *next = m->next;

		if (m->first_child != NULL) {
			m = m->first_child;
			continue;
		}
		talk_message_free(m);
		if (parent != NULL)
			parent->first_child = next;
		m = next != NULL ? next : parent;
	}
	t->first = t->newest_first = t->leaf = NULL;
	history_tree_free(t->tree);
	t->tree = NULL;
}

static void talk_free(struct talk *t)
{
	if (t == NULL)
		return;
	talk_forget(t);
	buf_release(&t->title);
	buf_release(&t->system);
	free(t);
}

/* ---- all of them ---- */

void talks_release(struct talks *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		talk_free(ts->v[i]);
	talk_free(ts->removed);
	free(ts->v);
	*ts = (struct talks){0};
}

int talks_add(struct talks *ts, struct talk **out, struct err *err)
{
	struct talk *t = calloc(1, sizeof(*t));
	struct talk **v =
		t != NULL ? realloc(ts->v, (ts->n + 1) * sizeof(struct talk *)) : NULL;

	if (v == NULL) {
		free(t);
		return err_nomem(err, "conversation", sizeof(*t));
	}
	ts->v = v;
	v[ts->n++] = t;
	t->id = ++ts->next_id;
	*out = t;
	return 0;
}

int talks_fork(struct talks *ts, const struct talk *from, const struct talk_message *at,
	       struct talk **out, struct err *err)
{
	struct talk *t;
	struct talk_message *chain = NULL;
	int rc = 0;

	/* From `at` up, so that nothing is in the new tree before all was copied. */
	for (const struct talk_message *m = at; m != NULL && rc == 0; m = m->parent) {
		struct talk_message *c;

		rc = talk_message_copy(&c, m, err);
		if (rc == 0) {
			c->next = chain;
			chain = c;
		}
	}
	if (rc == 0)
		rc = talks_add(ts, &t, err);
	while (chain != NULL) {
		struct talk_message *m = chain;

		chain = m->next;
		m->next = NULL;
		if (rc == 0)
			talk_say(t, m, from->updated_ms);
		else
			talk_message_free(m);
	}
	if (rc == 0) {
		buf_reset(&t->title);
		buf_adds(&t->title, buf_str(&from->title));
		t->title_from = from->title_from;
		*out = t;
	}
	return rc;
}

struct talk *talks_find(const struct talks *ts, int64_t id)
{
	for (size_t i = 0; i < ts->n; i++)
		if (ts->v[i]->id == id)
			return ts->v[i];
	return NULL;
}

void talks_remove(struct talks *ts, struct talk *t)
{
	for (size_t i = 0; i < ts->n; i++) {
		if (ts->v[i] != t)
			continue;
		memmove(ts->v + i, ts->v + i + 1, (ts->n - i - 1) * sizeof(struct talk *));
		ts->n--;
		talk_free(ts->removed);
		ts->removed = t;
		return;
	}
}

bool talks_unremove(struct talks *ts)
{
	struct talk **v;

	if (ts->removed == NULL)
		return false;
	v = realloc(ts->v, (ts->n + 1) * sizeof(struct talk *));
	if (v == NULL)
		return false;
	ts->v = v;
	v[ts->n++] = ts->removed;
	ts->removed = NULL;
	talks_sort(ts);
	return true;
}

void talks_drop_removed(struct talks *ts)
{
	talk_free(ts->removed);
	ts->removed = NULL;
}

/* What nothing was said in yet is the newest. */
static int64_t age_key(const struct talk *t)
{
	return t->updated_ms > 0 ? t->updated_ms : INT64_MAX;
}

static int newer(const void *a, const void *b)
{
	const struct talk *x = *(struct talk *const *)a, *y = *(struct talk *const *)b;

	if (x->pinned != y->pinned)
		return x->pinned ? -1 : 1;
	if (age_key(x) != age_key(y))
		return age_key(x) > age_key(y) ? -1 : 1;
	return x->id > y->id ? -1 : x->id < y->id;
}

void talks_sort(struct talks *ts)
{
	if (ts->n > 1)
		qsort(ts->v, ts->n, sizeof(struct talk *), newer);
}
