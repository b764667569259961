/* /quit */
#include "app/cmd/cmd.h"

int cmd_quit(struct cmd_host *h, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	h->ops->quit(h);
	return 0;
}
