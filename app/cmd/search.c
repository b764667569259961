/* /search */
#include "app/cmd/cmd.h"

/* The chat stands still meanwhile; `dsv4chat history search` takes the time that it needs. */
#define WITHIN_MS 1000

/* Two lines for each place, appended to `out`. */
static int describe(struct history *h, const char *words, struct buf *out, struct err *err)
{
	struct history_query q = {.text = str_of(words), .limit = 20, .within_ms = WITHIN_MS};
	struct history_hits hits = {0};
	int rc = history_search(h, &q, &hits, err);

	for (size_t i = 0; i < hits.n; i++) {
		char *s = hits.items[i].snippet;

		for (char *p = s; *p; p++) {
			if (*p == HISTORY_MARK_ON)
				*p = '[';
			else if (*p == HISTORY_MARK_OFF)
				*p = ']';
		}
		buf_addf(out, "%s%s  %s\n    %s", i ? "\n" : "", hits.items[i].uid,
			 hits.items[i].title, s);
	}
	if (!rc && hits.cut)
		buf_addf(out, "%s(there may be more: `dsv4chat history search` looks longer)",
			 hits.n ? "\n" : "");
	else if (!rc && hits.n == 0)
		buf_addz(out, "(not found)");
	history_hits_release(&hits);
	return rc;
}

/* In all conversations; on the screen Ctrl-S searches the one that is shown. */
int cmd_search(struct cmd_host *h, const char *arg, struct err *err)
{
	return cmd_tell(h, describe, arg, err);
}
