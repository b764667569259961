#include "app/line.h"

int cmd_search(struct line *l, const char *arg, struct err *err)
{
	struct history_query q = {.text = str_of(arg), .limit = 20};
	struct history_hits hits = {0};
	int rc = history_search(l->record.h, &q, &hits, err);

	for (size_t i = 0; i < hits.n; i++) {
		char *s = hits.items[i].snippet;

		for (char *p = s; *p; p++) {
			if (*p == HISTORY_MARK_ON)
				*p = '[';
			else if (*p == HISTORY_MARK_OFF)
				*p = ']';
		}
		line_say("%s  %s\n    %s", hits.items[i].uid, hits.items[i].title, s);
	}
	if (!rc && hits.n == 0)
		line_say("(not found)");
	history_hits_release(&hits);
	return rc;
}
