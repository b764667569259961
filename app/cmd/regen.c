/* /regen */
#include "app/cmd/cmd.h"

int cmd_regen(struct cmd_host *h, const char *arg, struct err *err)
{
	struct talk *t = h->ops->talk(h);
	struct talk_message *leaf = t->leaf, *question = talk_last(t, CHAT_USER);
	int rc;

	(void)arg;
	if (!question)
		return err_set(err, ERR_USAGE, "nothing was asked yet");
	if (h->ops->is_writing(h))
		return 0;
	talk_try_from(t, question);
	rc = h->ops->answer(h, err);
	if (rc && t->leaf == question)
		talk_rewind(t, leaf);
	return rc;
}
