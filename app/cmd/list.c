/* /list */
#include <stdlib.h>
#include <time.h>

#include "app/cmd/cmd.h"

/* One line for each, appended to `out`. */
static int describe(struct history *h, const char *arg, struct buf *out, struct err *err)
{
	size_t n = *arg ? strtoul(arg, NULL, 10) : 10;
	struct history_list list = {0};
	int rc = history_list(h, HISTORY_ACTIVE, n ? n : 10, &list, err);

	for (size_t i = 0; i < list.n; i++) {
		time_t at = (time_t)(list.items[i].updated_ms / 1000);
		struct tm tm = {0};
		char when[40]; /* a year has ten digits at most */

		localtime_r(&at, &tm);
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
		buf_addf(out, "%s%s  %s  %s%s", i ? "\n" : "", list.items[i].uid, when,
			 list.items[i].pinned ? "* " : "", list.items[i].title);
	}
	if (!rc && list.n == 0)
		buf_addz(out, "(nothing yet)");
	history_list_release(&list);
	return rc;
}

int cmd_list(struct cmd_host *h, const char *arg, struct err *err)
{
	return cmd_tell(h, describe, arg, err);
}
