/* All conversations: making, forking, removing, their order. */
#include <stdlib.h>
#include <string.h>

#include "app/talk/talk.h"

static void talk_free(struct talk *t)
{
	if (!t)
		return;
	talk_forget(t);
	buf_release(&t->title);
	buf_release(&t->system);
	buf_release(&t->tools);
	free(t);
}

void talks_release(struct talks *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		talk_free(ts->v[i]);
	talk_free(ts->removed);
	free(ts->v);
	history_list_release(&ts->recovered);
	history_close(ts->store);
	*ts = (struct talks){0};
}

int talks_add(struct talks *ts, struct talk **out, struct err *err)
{
	struct talk *t = calloc(1, sizeof(*t));
	struct talk **v =
		t ? realloc(ts->v, (ts->n + 1) * sizeof(struct talk *)) : NULL;

	if (!v) {
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
	for (const struct talk_message *m = at; m && rc == 0; m = m->parent) {
		struct talk_message *c;

		rc = talk_message_copy(&c, m, err);
		if (rc == 0) {
			c->next = chain;
			chain = c;
		}
	}
	if (rc == 0)
		rc = talks_add(ts, &t, err);
	while (chain) {
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

	if (!ts->removed)
		return false;
	v = realloc(ts->v, (ts->n + 1) * sizeof(struct talk *));
	if (!v)
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
