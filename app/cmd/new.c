/* /new */
#include "app/cmd/cmd.h"

int cmd_new(struct cmd_host *h, const char *arg, struct err *err)
{
	(void)arg;
	return h->ops->open_new(h, err);
}
