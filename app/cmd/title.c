#include "app/line/line.h"
#include "app/screen/private.h"

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

int cmd_title_screen(struct screen *s, const char *arg, struct err *err)
{
	if (s->talk->leaf == NULL)
		return err_set(err, ERR_USAGE,
			       "nothing was said yet: there is nothing to name");
	if (*arg != '\0')
		screen_rename(s, s->talk, str_of(arg));
	/* Where it could not be kept, that was said. */
	if (*arg == '\0' || s->talk->stored != 0)
		tui_say(s->tui, STYLE_FAINT, "title: %s", buf_z(&s->talk->title));
	return 0;
}
