#include "app/line.h"

int cmd_title(struct line *l, const char *arg, struct err *err)
{
	int64_t id = history_tree_conversation(l->record.t);
	struct history_list list = {0};
	int rc = 0;

	if (!id)
		return err_set(err, ERR_USAGE,
			       "nothing was said yet: there is nothing to name");
	if (*arg)
		rc = history_set_title(l->record.h, id, str_of(arg), HISTORY_TITLE_USER, err);
	if (!rc)
		rc = history_get(l->record.h, id, &list, err);
	if (!rc && list.n)
		line_say("title: %s", list.items[0].title);
	history_list_release(&list);
	return rc;
}
