/* /edit */
#include "app/cmd/cmd.h"

/* Without a text the last question comes back to the input, where there is one to change it in. */
int cmd_edit(struct cmd_host *h, const char *arg, struct err *err)
{
	struct talk *t = h->ops->talk(h);
	struct talk_message *leaf = t->leaf, *question = talk_last(t, CHAT_USER);
	int rc;

	if (!question)
		return err_set(err, ERR_USAGE, "nothing was asked yet");
	if (h->ops->is_writing(h))
		return 0;
	if (!*arg && !h->ops->edit)
		return err_set(err, ERR_USAGE,
			       "/edit TEXT asks TEXT in place of the last question");
	if (!*arg) {
		h->ops->edit(h, question);
		return 0;
	}
	rc = h->ops->ask(h, str_of(arg), question, err);
	/* Nothing came of it: the branch from before is shown again. */
	if (rc && t->leaf == question->parent)
		talk_rewind(t, leaf);
	return rc;
}
