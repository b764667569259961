#include <stdio.h>
#include <string.h>

#include "app/line.h"
#include "engine/base/termsafe.h"

int cmd_system(struct line *l, const char *arg, struct err *err)
{
	struct str text = str_of(strcmp(arg, "-") == 0 ? "" : arg);
	struct buf shown = {0};
	int rc = *arg ? dialog_set_system(&l->dialog, text, err) : 0;

	if (rc)
		return rc;
	if (l->dialog.n && l->dialog.messages[0].role == CHAT_SYSTEM)
		termsafe_add(&shown, l->dialog.messages[0].content);
	printf("system: %s\n", shown.len ? shown.data : "(none)");
	fflush(stdout);
	buf_release(&shown);
	return 0;
}
