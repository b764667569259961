#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_tell(struct line *l, cmd_describe_fn describe, const char *arg, struct err *err)
{
	struct buf text = {0};
	int rc = describe(l->record.h, arg, &text, err);

	if (!rc)
		line_say("%s", buf_z(&text));
	buf_release(&text);
	return rc;
}

int cmd_tell_screen(struct screen *s, cmd_describe_fn describe, const char *arg,
		    struct err *err)
{
	struct buf text = {0};
	int rc = screen_store(s, err);

	if (rc == 0)
		rc = describe(s->talks.store, arg, &text, err);
	if (rc == 0)
		screen_notice(s, buf_str(&text));
	buf_release(&text);
	return rc;
}
