/* /set */
#include <stdio.h>
#include <string.h>

#include "app/cmd/cmd.h"

int cmd_set(struct cmd_host *h, const char *arg, struct err *err)
{
	size_t n = strcspn(arg, " \t=");
	const struct option_row *row;
	char name[64];
	int rc = 0;

	if (!*arg) {
		h->ops->show_option(h, NULL);
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(n < 60 ? n : 60), arg);
	arg += n + strspn(arg + n, " \t=");
	row = option_find(name);
	if (!row || !(row->where & OPTION_LIVE))
		return err_set(err, ERR_USAGE, "%s: cannot be set here; /set lists what can",
			       name);
	if (*arg && strcmp(row->name, "system") == 0)
		return cmd_system(h, arg, err);
	if (*arg)
		rc = option_set(h->opt, row, arg, err);
	if (rc)
		return rc;
	h->ops->options_changed(h);
	h->ops->show_option(h, row);
	return 0;
}
