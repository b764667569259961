/* /approve */
#include "app/cmd/cmd.h"

int cmd_approve(struct cmd_host *h, const char *arg, struct err *err)
{
	return h->ops->approve(h, arg, err);
}
