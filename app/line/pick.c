/* --resume without an id: the newest conversations, and which of them. */
#include <ctype.h>
#include <stdlib.h>

#include "app/line/line.h"

#define SHOWN 20

void line_pick(struct line_mode *l)
{
	struct history_list list = {0};
	struct err err = {0};
	int rc = talks_need_store(&l->talks, &err);

	if (!rc)
		rc = history_list(l->talks.store, HISTORY_ACTIVE, SHOWN, &list, &err);
	for (size_t i = 0; i < list.n; i++) {
		const struct history_conversation *c = &list.items[i];
		struct buf when = {0};

		cmd_add_when(&when, c->updated_ms);
		line_say("%2zu  %s  %s  %s", i + 1, c->uid, buf_z(&when), c->title);
		buf_release(&when);
	}
	l->picking = list.n > 0;
	if (rc)
		app_tell(err.text);
	else if (list.n)
		line_say("Go on with which?  Its number, id or title; Enter alone begins a new "
			 "one.");
	else
		line_say("There is no conversation to go on with yet.");
	history_list_release(&list);
}

static int find(struct line_mode *l, const char *name, int64_t *id, struct err *err)
{
	struct history_list list = {0};
	char *end;
	unsigned long n = isdigit((unsigned char)*name) ? strtoul(name, &end, 10) : 0;
	int rc;

	if (n == 0 || *end || n > SHOWN)
		return history_find(l->talks.store, name, id, err);
	rc = history_list(l->talks.store, HISTORY_ACTIVE, SHOWN, &list, err);
	if (!rc && n <= list.n)
		*id = list.items[n - 1].id;
	else if (!rc)
		rc = history_find(l->talks.store, name, id, err);
	history_list_release(&list);
	return rc;
}

int line_picked(struct line_mode *l, const char *name, struct err *err)
{
	struct talk *t = NULL;
	int64_t id = 0;
	int rc;

	l->picking = false;
	if (!*name)
		return 0;
	rc = find(l, name, &id, err);
	if (!rc)
		rc = talks_get(&l->talks, id, &t, err);
	if (!rc)
		rc = talks_take_up(&l->talks, &l->app->opt, &t, err);
	if (!rc)
		rc = line_open(l, t, err);
	/* A slip is asked again. */
	l->picking = rc != 0;
	return rc;
}
