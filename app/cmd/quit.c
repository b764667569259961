#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_quit(struct line *l, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	l->quit = true;
	return 0;
}

int cmd_quit_screen(struct screen *s, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	s->quit = true;
	return 0;
}
