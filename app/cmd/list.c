/* /list */
#include <stdlib.h>
#include <time.h>

#include "app/cmd/cmd.h"

void cmd_add_when(struct buf *out, int64_t ms)
{
	time_t at = (time_t)(ms / 1000);
	struct tm tm = {0};
	char when[40]; /* a year has ten digits at most */

	localtime_r(&at, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	buf_addz(out, when);
}

/* One line for each, appended to `out`. */
static int describe(struct history *h, const char *arg, struct buf *out, struct err *err)
{
	size_t n = *arg ? strtoul(arg, NULL, 10) : 10;
	struct history_list list = {0};
	int rc = history_list(h, HISTORY_ACTIVE, n ? n : 10, &list, err);

	for (size_t i = 0; i < list.n; i++) {
		const struct history_conversation *c = &list.items[i];

		buf_addf(out, "%s%s  ", i ? "\n" : "", c->uid);
		cmd_add_when(out, c->updated_ms);
		buf_addf(out, "  %s%s", c->pinned ? "* " : "", c->title);
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
