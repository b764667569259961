/* /title */
#include "app/cmd/cmd.h"

static int rename_it(struct cmd_host *h, struct talk *t, const char *title, struct err *err)
{
	int rc;

	buf_reset(&t->title);
	history_clean_title(&t->title, str_of(title), HISTORY_TITLE_CHARS);
	t->title_from = HISTORY_TITLE_USER;
	h->ops->renamed(h);
	rc = talk_store_rename(h->talks, t, err);
	return rc ? err_prefix(err, "not kept") : 0;
}

int cmd_title(struct cmd_host *h, const char *arg, struct err *err)
{
	struct talk *t = h->ops->talk(h);
	struct buf text = {0};
	int rc = 0;

	if (!t->leaf)
		return err_set(err, ERR_USAGE,
			       "nothing was said yet: there is nothing to name");
	if (*arg)
		rc = rename_it(h, t, arg, err);
	if (rc)
		return rc;
	buf_addf(&text, "title: %s", buf_z(&t->title));
	h->ops->say(h, buf_z(&text));
	buf_release(&text);
	return 0;
}
