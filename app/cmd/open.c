/* /open */
#include "app/cmd/cmd.h"

int cmd_open(struct cmd_host *h, const char *arg, struct err *err)
{
	struct talk *t = NULL;
	int64_t id = 0;
	int rc = talks_need_store(h->talks, err);

	if (!rc)
		rc = history_find(h->talks->store, arg, &id, err);
	if (!rc)
		rc = talks_get(h->talks, id, &t, err);
	return rc ? rc : h->ops->open(h, t, err);
}
