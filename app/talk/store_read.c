/* The conversations out of the history: which there are, which is meant, what was said. */
#include <string.h>

#include "app/paths.h"
#include "app/pulse.h"
#include "app/talk/store.h"

static enum chat_role to_chat(enum history_role role)
{
	static const enum chat_role roles[HISTORY_N_ROLES] = {
		[HISTORY_SYSTEM] = CHAT_SYSTEM,       [HISTORY_USER] = CHAT_USER,
		[HISTORY_ASSISTANT] = CHAT_ASSISTANT, [HISTORY_TOOL] = CHAT_TOOL,
		[HISTORY_DEVELOPER] = CHAT_DEVELOPER, [HISTORY_REMINDER] = CHAT_REMINDER,
	};

	return roles[role];
}

static int add(struct talks *ts, const struct history_conversation *c, struct talk **out,
	       struct err *err)
{
	struct talk *t;
	int rc = talks_add(ts, &t, err);

	if (rc)
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

static struct talk *in_memory(const struct talks *ts, int64_t stored)
{
	for (size_t i = 0; i < ts->n; i++)
		if (ts->v[i]->stored == stored)
			return ts->v[i];
	return NULL;
}

int talks_list(struct talks *ts, struct err *err)
{
	struct history_list list = {0};
	struct talk *t;
	bool before;
	int rc;

	if (!ts->store)
		return 0;
	before = pulse_optional(true);
	rc = history_list(ts->store, HISTORY_ALL, 0, &list, err);
	pulse_optional(before);
	for (size_t i = 0; !rc && i < list.n; i++)
		if (!in_memory(ts, list.items[i].id))
			rc = add(ts, &list.items[i], &t, err);
	history_list_release(&list);
	return rc;
}

static int add_part(struct talk_message *m, const struct history_part *h, struct err *err)
{
	struct talk_part *p = talk_message_add_part(m, h->kind, err);

	if (!p)
		return ERR_NOMEM;
	buf_adds(&p->name, h->name);
	buf_adds(&p->ref, h->ref);
	buf_adds(&p->text, h->text);
	buf_adds(&p->info, h->info);
	return talk_part_read_info(p, err);
}

static const char *stop_named(const char *name)
{
	static const char *const names[] = {"stop",        "tool_calls", "length",  "context",
					    "interrupted", "failed",     "timeout", "crashed"};

	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return names[i];
	return NULL;
}

static void convert_run(struct talk_message *m, const struct history_run *run)
{
	m->made.known = true;
	m->made.run.seed = run->seed;
	m->made.run.stop = stop_named(run->stop);
	m->made.run.ctx_tokens = run->ctx_tokens;
	m->thinking_tokens = run->thinking_tokens > 0 ? run->thinking_tokens : -1;
	/* Imported, they are what some file claims. */
	if (run->prompt_tokens >= 0 && run->prompt_tokens <= INT32_MAX &&
	    run->output_tokens >= 0 && run->output_tokens <= INT32_MAX)
		m->context_tokens = run->prompt_tokens + run->output_tokens;
}

static int convert(struct talk_message **out, const struct history_message *h, struct err *err)
{
	struct talk_message *m = talk_message_new(to_chat(h->role), err);
	int rc = m ? 0 : ERR_NOMEM;

	for (size_t i = 0; i < h->n_parts && !rc; i++)
		rc = add_part(m, &h->parts[i], err);
	if (!rc && h->ids)
		rc = talk_message_add_ids(m, h->ids, h->n_ids, err);
	if (!rc && talk_message_failed(m))
		rc = err_nomem(err, "message", 0);
	if (rc) {
		talk_message_free(m);
		return rc;
	}
	m->stored = h->id;
	m->unfinished = history_message_unfinished(h);
	if (h->run)
		convert_run(m, h->run);
	*out = m;
	return 0;
}

/* All branches, each message before what was said after it. */
static int convert_tree(struct talk *t, const struct history_message *h, struct err *err)
{
	struct talk_message *parent = NULL, *m;

	while (h) {
		int rc = convert(&m, h, err);

		if (rc)
			return rc;
		talk_attach(t, parent, m);
		if (h->first_child) {
			h = h->first_child;
			parent = m;
			continue;
		}
		while (h && !h->next) {
			h = h->parent;
			parent = parent ? parent->parent : NULL;
		}
		h = h ? h->next : NULL;
	}
	return 0;
}

int talk_store_load(struct talks *ts, struct talk *t, struct err *err)
{
	const struct history_message *const *path, *leaf;
	size_t n, place, n_siblings;
	bool before;
	int rc;

	if (!t->unread)
		return 0;
	before = pulse_optional(true);
	rc = history_tree_open(&t->tree, ts->store, t->stored, err);
	pulse_optional(before);
	if (rc)
		return rc;
	path = history_tree_path(t->tree, &n);
	leaf = history_tree_leaf(t->tree);
	if (n) {
		history_tree_siblings(t->tree, path[0], &place, &n_siblings);
		rc = convert_tree(t, history_tree_sibling(t->tree, path[0], -(int)place), err);
	}
	if (rc) {
		talk_forget(t);
		return rc;
	}
	t->unread = false;
	if (leaf)
		talk_show_stored(t, leaf->id);
	return 0;
}

/* ---- what another program said ---- */

/* Its parent is there, or nothing is: then it is taken with the next reading of all. */
static int take_in(struct talk *t, const struct history_message *h, struct err *err)
{
	struct talk_message *parent = h->parent ? talk_find_stored(t, h->parent->id) : NULL, *m;
	int rc;

	if (h->parent && !parent)
		return 0;
	rc = convert(&m, h, err);
	if (!rc)
		talk_attach(t, parent, m);
	return rc;
}

int talk_store_catch_up(struct talks *ts, struct talk *t, bool *news, struct err *err)
{
	const struct history_message *h = NULL;
	struct history_tree *fresh = NULL;
	int rc = 0;

	*news = false;
	/* What is still to be written hangs on the tree as it is. */
	if (!ts->store || !t->stored || !t->tree || t->unread || talk_count_unstored(t))
		return 0;
	rc = history_tree_behind(t->tree, news, err);
	if (!rc && *news)
		rc = history_tree_open(&fresh, ts->store, t->stored, err);
	if (!fresh) {
		*news = false;
		return rc;
	}
	while (!rc && (h = history_tree_each(fresh, h)) != NULL)
		if (h->conversation == t->stored && !history_tree_find(t->tree, h->id))
			rc = take_in(t, h, err);
	talk_hold(t);
	history_tree_free(t->tree);
	t->tree = fresh;
	return rc;
}

/* ---- opening and choosing ---- */

int talks_open(struct talks *ts, const char *path, struct err *err)
{
	bool before = pulse_optional(true);
	int rc = history_open_watched(&ts->store, path, pulse_gives_up, NULL, err);

	if (!rc)
		rc = history_recover(ts->store, &ts->recovered, err);
	pulse_optional(before);
	return rc;
}

int talks_open_for(struct talks *ts, const struct options *o, struct err *err)
{
	struct buf path = {0};
	bool unnamed = !o->ephemeral && path_of(PATH_HISTORY, &path, err) != 0;
	int rc = unnamed ? err->code : 0;

	if (!rc)
		rc = talks_open(ts, o->ephemeral ? NULL : buf_z(&path), err);
	if (rc == ERR_STORE || unnamed)
		err_set(err, rc, "%s (--ephemeral keeps nothing)", err->text);
	buf_release(&path);
	return rc;
}

int talks_need_store(const struct talks *ts, struct err *err)
{
	return ts->store ? 0
			 : err_set(err, ERR_USAGE, "nothing is kept here: there is no history");
}

int talks_get(struct talks *ts, int64_t stored, struct talk **out, struct err *err)
{
	struct history_list list = {0};
	int rc = 0;

	/* It may come back; until then it is none. */
	if (ts->removed && ts->removed->stored == stored)
		return err_set(err, ERR_USAGE, "that conversation was deleted");
	*out = in_memory(ts, stored);
	if (!*out) {
		/* Another program made it meanwhile. */
		rc = history_get(ts->store, stored, &list, err);
		if (!rc && !list.n)
			rc = err_set(err, ERR_USAGE, "no such conversation");
		if (!rc)
			rc = add(ts, &list.items[0], out, err);
		history_list_release(&list);
	}
	return rc;
}

int talks_named(struct talks *ts, const char *name, struct talk **out, struct err *err)
{
	bool before = pulse_optional(true);
	int64_t id = 0;
	int rc = history_find(ts->store, name, &id, err);

	if (!rc)
		rc = talks_get(ts, id, out, err);
	pulse_optional(before);
	return rc;
}

static int find_chosen(struct talks *ts, const struct options *o, int64_t *id, struct err *err)
{
	bool goes_on = o->go_on || o->fork || o->resume;
	int rc = 0;

	*id = 0;
	/* It is asked for. */
	if (o->pick)
		return talks_need_store(ts, err);
	if (goes_on)
		rc = talks_need_store(ts, err);
	if (!rc && o->resume)
		rc = history_find(ts->store, o->resume, id, err);
	else if (!rc && goes_on)
		rc = history_last(ts->store, id, err);
	if (!rc && goes_on && !*id)
		rc = err_set(err, ERR_USAGE, "there is no conversation to go on with yet");
	return rc;
}

int talks_take_up(struct talks *ts, const struct options *o, struct talk **t, struct err *err)
{
	int rc = talk_store_load(ts, *t, err);

	if (!rc && o->fork && (*t)->leaf)
		rc = talks_branch(ts, *t, (*t)->leaf, t, err);
	if (!rc && o->system)
		rc = talk_set_system(*t, str_of(o->system), err);
	return rc;
}

int talks_choose(struct talks *ts, const struct options *o, struct talk **out, struct err *err)
{
	int64_t id;
	int rc = find_chosen(ts, o, &id, err);

	if (rc)
		return rc;
	if (!id)
		return talks_add(ts, out, err);
	rc = talks_get(ts, id, out, err);
	return rc ? rc : talks_take_up(ts, o, out, err);
}
