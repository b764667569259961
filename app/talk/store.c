#include "app/talk/store.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	enum chat_role chat;
	enum history_role history;
} roles[] = {
	{CHAT_SYSTEM, HISTORY_SYSTEM},       {CHAT_USER, HISTORY_USER},
	{CHAT_ASSISTANT, HISTORY_ASSISTANT}, {CHAT_TOOL, HISTORY_TOOL},
	{CHAT_DEVELOPER, HISTORY_DEVELOPER}, {CHAT_REMINDER, HISTORY_REMINDER},
};
#define N_ROLES (sizeof(roles) / sizeof(roles[0]))

static enum history_role to_history(enum chat_role role)
{
	for (size_t i = 0; i < N_ROLES; i++)
		if (roles[i].chat == role)
			return roles[i].history;
	BUG("role");
}

static enum chat_role to_chat(enum history_role role)
{
	for (size_t i = 0; i < N_ROLES; i++)
		if (roles[i].history == role)
			return roles[i].chat;
	BUG("role");
}

/* ---- reading ---- */

int talk_store_add(struct talks *ts, const struct history_conversation *c, struct talk **out,
		   struct err *err)
{
	struct talk *t;
	int rc = talks_add(ts, &t, err);

	if (rc < 0)
		return rc;
	t->stored = c->id;
	t->unread = true;
	t->pinned = c->pinned;
	t->archived = c->archived;
	t->title_from = c->title_from;
	t->updated_ms = c->updated_ms;
	buf_addz(&t->title, c->title);
	*out = t;
	return 0;
}

int talk_store_list(struct talks *ts, struct err *err)
{
	struct history_list list;
	struct talk *t;
	int rc;

	if (ts->store == NULL)
		return 0;
	rc = history_list(ts->store, HISTORY_ALL, 0, &list, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < list.n && rc == 0; i++)
		rc = talk_store_add(ts, &list.items[i], &t, err);
	history_list_release(&list);
	return rc;
}

static int add_call(struct talk_message *m, const struct history_part *p, struct err *err)
{
	struct talk_call *calls = realloc(m->calls, (m->n_calls + 1) * sizeof(*calls));

	if (calls == NULL)
		return err_nomem(err, "calls", (m->n_calls + 1) * sizeof(*calls));
	m->calls = calls;
	calls[m->n_calls] = (struct talk_call){.bad = p->info.n > 0};
	buf_adds(&calls[m->n_calls].name, p->name);
	buf_adds(&calls[m->n_calls].arguments, p->text);
	m->n_calls++;
	return 0;
}

static int add_part(struct talk_message *m, const struct history_part *p, struct err *err)
{
	switch (p->kind) {
	case HISTORY_TEXT:
	case HISTORY_RESULT:
	case HISTORY_ATTACHMENT:
		buf_adds(&m->text, p->text);
		break;
	case HISTORY_THINKING:
		buf_adds(&m->thinking, p->text);
		break;
	case HISTORY_CALL:
		return add_call(m, p, err);
	case HISTORY_NOTICE:
	case HISTORY_TOOLS:
		break;
	}
	return 0;
}

static int convert(struct talk_message **out, const struct history_message *h, struct err *err)
{
	struct talk_message *m = talk_message_new(to_chat(h->role), err);
	int rc = m == NULL ? ERR_NOMEM : 0;

	for (size_t i = 0; i < h->n_parts && rc == 0; i++)
		rc = add_part(m, &h->parts[i], err);
	if (rc == 0 && h->ids != NULL)
		rc = talk_message_add_ids(m, h->ids, h->n_ids, err);
	if (rc == 0 && (buf_failed(&m->text) || buf_failed(&m->thinking)))
		rc = err_nomem(err, "message", 0);
	if (rc < 0) {
		talk_message_free(m);
		return rc;
	}
	m->stored = h->id;
	m->unfinished = history_message_unfinished(h);
	if (h->run != NULL) {
		m->run.known = true;
		m->run.run.seed = h->run->seed;
		m->thinking_tokens = h->run->thinking_tokens > 0 ? h->run->thinking_tokens : -1;
		m->context_tokens = h->run->prompt_tokens + h->run->output_tokens;
	}
	*out = m;
	return 0;
}

/* All branches, each message before what was said after it. */
static int convert_tree(struct talk *t, const struct history_message *h, struct err *err)
{
	struct talk_message *parent = NULL, *m;

	while (h != NULL) {
		int rc = convert(&m, h, err);

		if (rc < 0)
			return rc;
		talk_attach(t, parent, m);
		if (h->first_child != NULL) {
			h = h->first_child;
			parent = m;
			continue;
		}
		while (h != NULL && h->next == NULL) {
			h = h->parent;
			parent = parent != NULL ? parent->parent : NULL;
		}
		h = h != NULL ? h->next : NULL;
	}
	return 0;
}

int talk_store_load(struct talks *ts, struct talk *t, struct err *err)
{
	const struct history_message *const *path, *leaf;
	size_t n, place, n_siblings;
	int rc;

	if (!t->unread)
		return 0;
	rc = history_tree_open(&t->tree, ts->store, t->stored, err);
	if (rc < 0)
		return rc;
	path = history_tree_path(t->tree, &n);
	leaf = history_tree_leaf(t->tree);
	if (n > 0) {
		history_tree_siblings(t->tree, path[0], &place, &n_siblings);
		rc = convert_tree(t, history_tree_sibling(t->tree, path[0], -(int)place), err);
	}
	if (rc < 0) {
		talk_forget(t);
		return rc;
	}
	t->unread = false;
	if (leaf != NULL)
		talk_show_stored(t, leaf->id);
	return 0;
}

/* ---- writing ---- */

static int open_tree(struct talks *ts, struct talk *t, struct err *err)
{
	if (t->tree != NULL)
		return 0;
	return t->stored != 0 ? history_tree_open(&t->tree, ts->store, t->stored, err)
			      : history_tree_new(&t->tree, ts->store, err);
}

static void name_run(const struct talk_run *from, struct history_run *run)
{
	*run = from->run;
	run->model = from->model;
	run->identity = from->identity;
	run->device = from->device;
	run->build = DSV4CHAT_VERSION;
}

static int say(struct talk *t, struct talk_message *m, struct err *err)
{
	struct history_part *parts = calloc(m->n_calls + 2, sizeof(*parts));
	struct history_message h = {
		.role = to_history(m->role), .parts = parts, .ids = m->ids, .n_ids = m->n_ids};
	const struct history_message *said;
	struct history_run run;
	int rc;

	if (parts == NULL)
		return err_nomem(err, "message", (m->n_calls + 2) * sizeof(*parts));
	if (m->thinking.len > 0)
		parts[h.n_parts++] = (struct history_part){.kind = HISTORY_THINKING,
							   .text = buf_str(&m->thinking)};
	if (m->text.len > 0 || m->role != CHAT_ASSISTANT)
		parts[h.n_parts++] =
			(struct history_part){.kind = HISTORY_TEXT, .text = buf_str(&m->text)};
	for (size_t i = 0; i < m->n_calls; i++)
		parts[h.n_parts++] = (struct history_part){
			.kind = HISTORY_CALL,
			.name = buf_str(&m->calls[i].name),
			.text = buf_str(&m->calls[i].arguments),
			.info = m->calls[i].bad ? STR_LIT("{\"cut\": true}") : (struct str){0},
		};
	if (m->role == CHAT_ASSISTANT && m->run.known) {
		name_run(&m->run, &run);
		h.run = &run;
	}
	history_tree_rewind(t->tree, m->parent != NULL
					     ? history_tree_find(t->tree, m->parent->stored)
					     : NULL);
	rc = history_tree_say(t->tree, &h, &said, err);
	if (rc == 0)
		m->stored = said->id;
	free(parts);
	return rc;
}

int talk_store_save(struct talks *ts, struct talk *t, struct err *err)
{
	/* A name that it had before it was there. */
	bool named = t->title_from != HISTORY_TITLE_PROMPT && t->stored == 0 && t->tree == NULL;
	int rc;

	if (ts->store == NULL || t->leaf == NULL)
		return 0;
	rc = open_tree(ts, t, err);
	for (;;) {
		struct talk_message *m = NULL;

		/* The first of the branch that is missing: its parent is there. */
		for (struct talk_message *p = t->leaf; p != NULL && rc == 0; p = p->parent)
			if (p->stored == 0)
				m = p;
		if (m == NULL)
			break;
		rc = say(t, m, err);
	}
	if (rc == 0)
		t->stored = history_tree_conversation(t->tree);
	return rc == 0 && named ? talk_store_rename(ts, t, err) : rc;
}

int talk_store_begin(struct talks *ts, struct talk *t, const struct talk_message *m,
		     int64_t resumed, struct history_answer **out, struct err *err)
{
	const struct history_message *leaf, *from = NULL;
	struct history_run run;

	*out = NULL;
	if (ts->store == NULL || t->tree == NULL || t->leaf == NULL || t->leaf->stored == 0)
		return 0;
	leaf = history_tree_find(t->tree, t->leaf->stored);
	if (resumed != 0)
		from = history_tree_find(t->tree, resumed);
	if (leaf == NULL || (resumed != 0 && (from == NULL || from->parent != leaf)))
		return 0;
	name_run(&m->run, &run);
	run.resumed_tokens = from != NULL ? (int64_t)from->n_ids : 0;
	history_tree_rewind(t->tree, leaf);
	return history_answer_begin(out, t->tree, &run, from, err);
}

int talk_store_end(struct history_answer *a, struct talk_message *m, struct err *err)
{
	const struct history_message *said = NULL;
	int rc = history_answer_commit(a, &m->run.run, &said, err);

	if (rc < 0)
		history_answer_free(a);
	else if (said != NULL)
		m->stored = said->id;
	return rc;
}

int talk_store_show(struct talks *ts, struct talk *t, struct err *err)
{
	const struct history_message *m;

	if (ts->store == NULL || t->tree == NULL || t->leaf == NULL || t->leaf->stored == 0)
		return 0;
	m = history_tree_find(t->tree, t->leaf->stored);
	return m != NULL ? history_tree_go(t->tree, m, err) : 0;
}

int talk_store_rename(struct talks *ts, struct talk *t, struct err *err)
{
	if (ts->store == NULL || t->stored == 0)
		return 0;
	return history_set_title(ts->store, t->stored, buf_str(&t->title), t->title_from, err);
}

int talk_store_mark(struct talks *ts, struct talk *t, struct err *err)
{
	int rc;

	if (ts->store == NULL || t->stored == 0)
		return 0;
	rc = history_set_pinned(ts->store, t->stored, t->pinned, err);
	return rc < 0 ? rc : history_set_archived(ts->store, t->stored, t->archived, err);
}

int talk_store_fork(struct talks *ts, struct talk *fork, struct talk *from,
		    const struct talk_message *at, struct err *err)
{
	const struct history_message *h;
	struct talk_message *to = fork->leaf;

	if (ts->store == NULL || from->tree == NULL || at->stored == 0)
		return 0;
	h = history_tree_find(from->tree, at->stored);
	if (h == NULL)
		return 0;
	/* The copies in memory are the same messages of the store. */
	for (; at != NULL && to != NULL; at = at->parent, to = to->parent)
		to->stored = at->stored;
	return history_tree_fork(&fork->tree, from->tree, h, err);
}

int talk_store_remove(struct talks *ts, struct talk *t, struct err *err)
{
	if (ts->store == NULL || t->stored == 0)
		return 0;
	history_tree_free(t->tree);
	t->tree = NULL;
	return history_remove(ts->store, t->stored, err);
}

size_t talk_store_missing(const struct talks *ts)
{
	size_t n = 0;

	for (size_t i = 0; ts->store != NULL && i < ts->n; i++)
		n += talk_count_unstored(ts->v[i]);
	return n;
}
