#include <stdio.h>

#include "app/line/line.h"
#include "app/screen/private.h"

int cmd_effort(struct line *l, const char *arg, struct err *err)
{
	const struct option_row *row = option_find("effort");
	struct buf value = {0};
	int rc = *arg ? option_set(&l->app->opt, row, arg, err) : 0;

	if (rc)
		return rc;
	option_get(&l->app->opt, row, &value);
	printf("effort: %s\n", buf_z(&value));
	fflush(stdout);
	buf_release(&value);
	return 0;
}

int cmd_effort_screen(struct screen *s, const char *arg, struct err *err)
{
	return screen_set_option(s, "effort", *arg != '\0' ? arg : NULL, err);
}
