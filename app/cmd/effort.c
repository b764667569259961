/* /effort */
#include "app/cmd/cmd.h"

int cmd_effort(struct cmd_host *h, const char *arg, struct err *err)
{
	const struct option_row *row = option_find("effort");
	struct buf text = {0};
	int rc = *arg ? option_set(h->opt, row, arg, err) : 0;

	if (rc)
		return rc;
	buf_addz(&text, "effort: ");
	option_get(h->opt, row, &text);
	h->ops->say(h, buf_z(&text));
	buf_release(&text);
	return 0;
}
