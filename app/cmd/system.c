#include <stdio.h>
#include <string.h>

#include "app/line/line.h"
#include "app/screen/private.h"
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

int cmd_system_screen(struct screen *s, const char *arg, struct err *err)
{
	int rc = *arg != '\0' ? screen_set_option(s, "system", arg, err) : 0;
	struct str text = screen_system(s);

	if (rc == 0)
		tui_say(s->tui, STYLE_FAINT, "system: %.*s",
			text.n > 0 ? (int)(text.n < 400 ? text.n : 400) : 6,
			text.n > 0 ? text.p : "(none)");
	return rc;
}
