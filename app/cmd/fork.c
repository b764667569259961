#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_fork(struct line *l, const char *arg, struct err *err)
{
	int rc = record_fork(&l->record, err);

	(void)arg;
	if (!rc)
		rc = record_fill(&l->record, &l->dialog, err);
	if (!rc)
		line_say("A branch; what was said before stays as it is.");
	return rc;
}

int cmd_fork_screen(struct screen *s, const char *arg, struct err *err)
{
	(void)arg;
	if (s->talk->leaf == NULL)
		return err_set(err, ERR_USAGE, "nothing was said yet");
	screen_fork(s, s->talk->leaf);
	return 0;
}
