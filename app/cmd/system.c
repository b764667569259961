/* /system */
#include <string.h>

#include "app/cmd/cmd.h"

/* It holds for this conversation, from the next question on, and for new ones. */
static int set(struct cmd_host *h, const char *text, struct err *err)
{
	int rc = option_set(h->opt, option_find("system"), text, err);

	return rc ? rc : talk_set_system(h->ops->talk(h), str_of(text), err);
}

int cmd_system(struct cmd_host *h, const char *arg, struct err *err)
{
	struct buf hold = {0}, text = {0};
	struct str now;
	int rc = *arg ? set(h, strcmp(arg, "-") == 0 ? "" : arg, err) : 0;

	if (rc)
		return rc;
	now = talk_system(h->ops->talk(h), h->opt->system, &hold);
	buf_addz(&text, "system: ");
	buf_adds(&text, now.n ? now : STR_LIT("(none)"));
	h->ops->say(h, buf_z(&text));
	buf_release(&text);
	buf_release(&hold);
	return 0;
}
