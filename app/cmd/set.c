#include <stdio.h>
#include <string.h>

#include "app/line/line.h"
#include "app/screen/private.h"

static void show(const struct options *o, const struct option_row *row)
{
	struct buf value = {0};

	option_get(o, row, &value);
	printf("  %-14s %s\n", row->name, buf_z(&value));
	buf_release(&value);
}

int cmd_set(struct line *l, const char *arg, struct err *err)
{
	const struct option_row *row;
	const char *value;
	char name[64];
	int rc = 0;

	if (!*arg) {
		for (row = option_rows; row->name; row++) {
			if (row->where & OPTION_LIVE)
				show(&l->app->opt, row);
		}
		fflush(stdout);
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg, " \t="), arg);
	value = arg + strcspn(arg, " \t=");
	value += strspn(value, " \t=");
	row = option_find(name);
	if (!row || !(row->where & OPTION_LIVE))
		return err_set(err, ERR_USAGE, "%s: cannot be set here; /set lists what can",
			       name);
	if (*value)
		rc = option_set(&l->app->opt, row, value, err);
	if (!rc && *value && strcmp(row->name, "system") == 0)
		rc = cmd_system(l, value, err);
	else if (!rc)
		show(&l->app->opt, row);
	fflush(stdout);
	return rc;
}

int cmd_set_screen(struct screen *s, const char *arg, struct err *err)
{
	size_t n = strcspn(arg, " \t=");
	char name[64];

	if (*arg == '\0') {
		screen_show_options(s);
		return 0;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(n < 60 ? n : 60), arg);
	arg += n + strspn(arg + n, " \t=");
	return screen_set_option(s, name, *arg != '\0' ? arg : NULL, err);
}
