/* /help */
#include "app/cmd/cmd.h"

int cmd_help(struct cmd_host *h, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	h->ops->help(h);
	return 0;
}
