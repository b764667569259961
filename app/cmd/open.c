#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_open(struct line *l, const char *arg, struct err *err)
{
	int64_t id = 0;
	int rc = history_find(l->record.h, arg, &id, err);

	return rc ? rc : line_open(l, id, err);
}

int cmd_open_screen(struct screen *s, const char *arg, struct err *err)
{
	struct talk *t = NULL;
	int64_t id = 0;
	int rc = screen_store(s, err);

	if (rc == 0)
		rc = history_find(s->talks.store, arg, &id, err);
	if (rc == 0)
		rc = screen_stored(s, id, &t, err);
	if (rc == 0)
		screen_open(s, t);
	return rc;
}
