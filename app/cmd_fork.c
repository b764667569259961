#include "app/line.h"

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
