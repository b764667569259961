/* /fork */
#include "app/cmd/cmd.h"

int cmd_fork(struct cmd_host *h, const char *arg, struct err *err)
{
	struct talk *t = h->ops->talk(h), *branch;
	int rc;

	(void)arg;
	if (!t->leaf)
		return err_set(err, ERR_USAGE, "nothing was said yet");
	rc = talks_branch(h->talks, t, t->leaf, &branch, err);
	return rc ? rc : h->ops->open_branch(h, branch, err);
}
