/* One tree: saying, walking, taking back, asking. */
#include "app/talk/talk.h"

#include <stdlib.h>

/* ---- one tree ---- */

static struct talk_message *siblings_of(const struct talk *t, const struct talk_message *m)
{
	return m->parent ? m->parent->first_child : t->first;
}

void talk_attach(struct talk *t, struct talk_message *parent, struct talk_message *m)
{
	struct talk_message **at = parent ? &parent->first_child : &t->first;

	m->parent = parent;
	while (*at)
		at = &(*at)->next;
	*at = m;
	if (parent)
		parent->newest_child = m;
	else
		t->newest_first = m;
}

/* As the store does it: a conversation is called by what was asked first. */
static void name_it(struct talk *t, const struct talk_message *m)
{
	static const enum history_kind kinds[] = {HISTORY_TEXT, HISTORY_ATTACHMENT};

	buf_reset(&t->title);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (size_t i = 0; i < m->n_parts && !t->title.len; i++)
			if (m->parts[i].kind == kinds[k])
				history_clean_title(&t->title,
						    buf_str(k ? &m->parts[i].name
							      : &m->parts[i].text),
						    HISTORY_PROMPT_TITLE_CHARS);
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

	for (const struct talk_message *m = t->leaf; m; m = m->parent)
		n++;
	i = n;
	for (const struct talk_message *m = t->leaf; m; m = m->parent)
		if (--i < max)
			out[i] = m;
	return n;
}

/* The one after m in the tree, each before what was said after it; NULL: it was the last. */
static struct talk_message *next_in_tree(struct talk_message *m)
{
	if (m->first_child)
		return m->first_child;
	while (m && !m->next)
		m = m->parent;
	return m ? m->next : NULL;
}

struct talk_message *talk_find(const struct talk *t, int64_t id)
{
	for (struct talk_message *m = t->first; m; m = next_in_tree(m))
		if (m->id == id)
			return m;
	return NULL;
}

int talk_place(const struct talk *t, const struct talk_message *m, int *n)
{
	int place = 0;

	*n = 0;
	for (const struct talk_message *s = siblings_of(t, m); s; s = s->next) {
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
	if (m->parent)
		m->parent->newest_child = m;
	else
		t->newest_first = m;
	while (m->newest_child)
		m = m->newest_child;
	t->leaf = m;
}

void talk_rewind(struct talk *t, struct talk_message *m)
{
	t->leaf = m;
	t->back = NULL;
}

void talk_try_from(struct talk *t, struct talk_message *m)
{
	struct talk_message *leaf = t->leaf;

	talk_rewind(t, m);
	t->back = leaf;
}

void talk_hold(struct talk *t)
{
	struct talk_message *m = t->leaf;

	for (; m && m->parent; m = m->parent)
		m->parent->newest_child = m;
	if (m)
		t->newest_first = m;
}

struct talk_message *talk_find_stored(const struct talk *t, int64_t stored)
{
	for (struct talk_message *m = t->first; m; m = next_in_tree(m))
		if (m->stored == stored)
			return m;
	return NULL;
}

void talk_show_stored(struct talk *t, int64_t stored)
{
	struct talk_message *m = talk_find_stored(t, stored);

	if (!m)
		return;
	t->leaf = m;
	talk_hold(t);
}

/* Takes a message without children out of the tree. */
static void detach(struct talk *t, struct talk_message *m)
{
	struct talk_message *parent = m->parent;
	struct talk_message **at = parent ? &parent->first_child : &t->first;
	struct talk_message *last = NULL;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	for (struct talk_message *s = siblings_of(t, m); s; s = s->next)
		last = s;
	if (parent && parent->newest_child == m)
		parent->newest_child = last;
	else if (!parent && t->newest_first == m)
		t->newest_first = last;
	talk_message_free(m);
}

void talk_unsay(struct talk *t, struct talk_message *m)
{
	bool held = false;

	while (t->leaf && t->leaf != m) {
		struct talk_message *last = t->leaf;

		t->leaf = last->parent;
		held |= last->stored != 0 || last->first_child;
		if (!held)
			detach(t, last);
	}
	/* Nor is it called by what was not said. */
	if (!t->first && t->title_from == HISTORY_TITLE_PROMPT)
		buf_reset(&t->title);
}

struct talk_message *talk_last(const struct talk *t, enum chat_role role)
{
	struct talk_message *m = t->leaf;

	while (m && m->role != role)
		m = m->parent;
	return m;
}

/* ---- asking ---- */

struct str talk_system(const struct talk *t, const char *fresh, struct buf *hold)
{
	const struct talk_message *m;

	if (t->asks_system)
		return buf_str(&t->system);
	if (!t->leaf)
		return fresh ? str_of(fresh) : (struct str){0};
	m = talk_last(t, CHAT_SYSTEM);
	if (!m)
		return (struct str){0};
	buf_reset(hold);
	talk_message_add_text(m, HISTORY_TEXT, hold);
	return buf_str(hold);
}

int talk_set_system(struct talk *t, struct str text, struct err *err)
{
	buf_reset(&t->system);
	buf_adds(&t->system, text);
	t->asks_system = true;
	return buf_failed(&t->system) ? err_nomem(err, "system prompt", text.n) : 0;
}

int talk_set_tools(struct talk *t, struct str json, struct err *err)
{
	buf_reset(&t->tools);
	buf_adds(&t->tools, json);
	t->asks_tools = true;
	return buf_failed(&t->tools) ? err_nomem(err, "tools", json.n) : 0;
}

static struct talk_message *say_system(struct str text, struct str tools, struct err *err)
{
	struct talk_message *m = talk_message_say(CHAT_SYSTEM, text, err);
	struct talk_part *p;

	if (!m || !tools.n)
		return m;
	p = talk_message_add_part(m, HISTORY_TOOLS, err);
	if (p)
		buf_adds(&p->text, tools);
	if (p && !buf_failed(&p->text))
		return m;
	talk_message_free(m);
	err_nomem(err, "tools", tools.n);
	return NULL;
}

/* Where another system prompt, or other tools, are asked for than the branch has, *out says so. */
static int new_system(const struct talk *t, const char *fresh, struct talk_message **out,
		      struct err *err)
{
	const struct talk_message *before = talk_last(t, CHAT_SYSTEM);
	struct buf hold = {0}, said = {0}, offered = {0};
	struct str text = talk_system(t, fresh, &hold), tools;
	int rc = 0;

	*out = NULL;
	if (before) {
		talk_message_add_text(before, HISTORY_TEXT, &said);
		talk_message_add_text(before, HISTORY_TOOLS, &offered);
	}
	tools = t->asks_tools ? buf_str(&t->tools) : buf_str(&offered);
	if (buf_failed(&said) || buf_failed(&offered) || buf_failed(&hold)) {
		rc = err_nomem(err, "system prompt", text.n);
	} else if (!str_eq(text, buf_str(&said)) || !str_eq(tools, buf_str(&offered))) {
		*out = say_system(text, tools, err);
		rc = *out ? 0 : ERR_NOMEM;
	}
	buf_release(&said);
	buf_release(&offered);
	buf_release(&hold);
	return rc;
}

int talk_ask(struct talk *t, struct talk_message *question, const char *fresh_system,
	     int64_t now_ms, struct err *err)
{
	struct talk_message *system;
	int rc = new_system(t, fresh_system, &system, err);

	if (rc < 0)
		return rc;
	if (system)
		talk_say(t, system, now_ms);
	talk_say(t, question, now_ms);
	t->asks_system = t->asks_tools = false;
	return 0;
}

size_t talk_count_unstored(const struct talk *t)
{
	size_t n = 0;

	for (struct talk_message *m = t->first; m; m = next_in_tree(m))
		n += m->stored == 0;
	return n;
}

void talk_forget(struct talk *t)
{
	struct talk_message *m;

	/* Leaves first: what has no children goes, and its parent forgets it. */
	m = t->first;
	while (m) {
		struct talk_message *parent = m->parent, *next = m->next;

		if (m->first_child) {
			m = m->first_child;
			continue;
		}
		talk_message_free(m);
		if (parent)
			parent->first_child = next;
		m = next ? next : parent;
	}
	t->first = t->newest_first = t->leaf = NULL;
	history_tree_free(t->tree);
	t->tree = NULL;
}
