/* /continue */
#include "app/cmd/cmd.h"
#include "app/talk/stop.h"

int cmd_continue(struct cmd_host *h, const char *arg, struct err *err)
{
	const struct history_list *cut = &h->talks->recovered;
	const char *why;
	bool did = false;
	struct talk *t;
	int rc = 0;

	(void)arg;
	/* Before anything else was said, what a crash has cut is meant. */
	if (!h->ops->talk(h)->leaf && cut->n) {
		rc = talks_get(h->talks, cut->items[0].id, &t, err);
		if (!rc)
			rc = h->ops->open(h, t, err);
	}
	if (rc)
		return rc;
	t = h->ops->talk(h);
	if (!t->leaf)
		return err_set(err, ERR_USAGE, "nothing was said yet");
	if (h->ops->is_writing(h))
		return 0;
	rc = h->ops->go_on_calls(h, &did, err);
	if (rc || did)
		return rc;
	why = stop_why_not_resumed(t->leaf, h->ops->ctx_tokens(h));
	if (why)
		return err_set(err, ERR_USAGE, "%s", why);
	return h->ops->go_on(h, t->leaf, err);
}
