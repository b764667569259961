#include <stdio.h>

#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_help(struct line *l, const char *arg, struct err *err)
{
	(void)l;
	(void)arg;
	(void)err;
	for (const struct cmd *c = cmds; c->name; c++) {
		char left[48];

		snprintf(left, sizeof(left), "/%s %s", c->name, c->arg);
		printf("  %-28s %s\n", left, c->help);
	}
	puts("A message is sent with Enter.  Pasted lines, lines that were waiting and lines "
	     "that\n"
	     "end with \\ become one message.  Ctrl-C interrupts an answer and keeps what was "
	     "said.");
	fflush(stdout);
	return 0;
}

int cmd_help_screen(struct screen *s, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	tui_action(s->tui, ACTION_HELP);
	return 0;
}
