#include <stdio.h>

#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_new(struct line *l, const char *arg, struct err *err)
{
	struct dialog fresh = {0};
	int rc = 0;

	(void)arg;
	/* The system prompt stays: it belongs to the session. */
	if (l->dialog.n && l->dialog.messages[0].role == CHAT_SYSTEM)
		rc = dialog_set_system(&fresh, l->dialog.messages[0].content, err);
	if (rc)
		return rc;
	rc = record_switch(&l->record, 0, err);
	if (rc) {
		dialog_release(&fresh);
		return rc;
	}
	dialog_release(&l->dialog);
	l->dialog = fresh;
	puts("A new conversation.");
	fflush(stdout);
	return 0;
}

int cmd_new_screen(struct screen *s, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	screen_new(s);
	return 0;
}
