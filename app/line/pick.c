/* --resume without an id: the newest conversations, and which of them. */
#include <ctype.h>
#include <stdlib.h>

#include "app/line/line.h"

#define SHOWN 20

void line_pick(struct line_mode *l)
{
	struct history_list *list = &l->offered;
	struct err err = {0};
	int rc = talks_need_store(&l->talks, &err);

	if (!rc)
		rc = history_list(l->talks.store, HISTORY_ACTIVE, SHOWN, list, &err);
	for (size_t i = 0; i < list->n; i++) {
		const struct history_conversation *c = &list->items[i];
		struct buf when = {0};

		cmd_add_when(&when, c->updated_ms);
		line_say("%2zu  %s  %s  %s", i + 1, c->uid, buf_z(&when), c->title);
		buf_release(&when);
	}
	if (rc)
		app_tell(err.text);
	else if (list->n)
		line_say("Go on with which?  Its number, id or title; Enter alone begins a new "
			 "one.");
	else
		line_say("There is no conversation to go on with yet.");
}

/* Numbers are those that were shown, whatever other windows have said since. */
static int find(const struct line_mode *l, const char *name, int64_t *id, struct err *err)
{
	char *end;
	unsigned long n = isdigit((unsigned char)*name) ? strtoul(name, &end, 10) : 0;

	if (n == 0 || *end || n > l->offered.n)
		return history_find(l->talks.store, name, id, err);
	*id = l->offered.items[n - 1].id;
	return 0;
}

int line_picked(struct line_mode *l, const char *name, struct err *err)
{
	struct talk *t = NULL;
	int64_t id = 0;
	int rc;

	if (!*name) {
		history_list_release(&l->offered);
		return 0;
	}
	/* A slip is asked again. */
	rc = find(l, name, &id, err);
	if (!rc)
		rc = talks_get(&l->talks, id, &t, err);
	if (!rc)
		rc = talks_take_up(&l->talks, &l->app->opt, &t, err);
	return rc ? rc : line_open(l, t, err);
}
