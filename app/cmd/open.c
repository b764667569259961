/* /open */
#include "app/cmd/cmd.h"

int cmd_open(struct cmd_host *h, const char *arg, struct err *err)
{
	struct talk *t = NULL;
	int rc = talks_need_store(h->talks, err);

	if (!rc)
		rc = talks_named(h->talks, arg, &t, err);
	return rc ? rc : h->ops->open(h, t, err);
}
