/* /plan */
#include "app/cmd/cmd.h"

int cmd_plan(struct cmd_host *h, const char *arg, struct err *err)
{
	if (*arg)
		return err_set(err, ERR_USAGE, "/plan %.40s: expected nothing behind it", arg);
	return h->ops->is_writing(h) ? 0 : h->ops->plan(h, err);
}
