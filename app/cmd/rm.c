/* /rm */
#include "app/cmd/cmd.h"

int cmd_rm(struct cmd_host *h, const char *arg, struct err *err)
{
	struct talk *t = NULL;
	int rc = talks_need_store(h->talks, err);

	/* Not everywhere can it be undone: the one that is meant has to be named. */
	if (!rc && !*arg)
		rc = err_set(err, ERR_USAGE,
			     "/rm ID removes a conversation; /list says their ids");
	if (!rc)
		rc = talks_named(h->talks, arg, &t, err);
	return rc ? rc : h->ops->remove(h, t, err);
}
