#include "app/line.h"

int cmd_open(struct line *l, const char *arg, struct err *err)
{
	int64_t id = 0;
	int rc = history_find(l->record.h, arg, &id, err);

	return rc ? rc : line_open(l, id, err);
}
