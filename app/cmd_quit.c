#include "app/line.h"

int cmd_quit(struct line *l, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	l->quit = true;
	return 0;
}
