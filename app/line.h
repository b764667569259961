/*
 * Line mode: a chat a line at a time, text appended and nothing repainted, for
 * screen readers, serial lines and `script`.
 */
#ifndef APP_LINE_H
#define APP_LINE_H

#include "app/app.h"
#include "app/dialog.h"

struct line {
	struct app *app;
	struct dialog dialog;
	bool quit;
};

/* Returns the exit code. */
int line_run(struct app *app);

/* A slash command: one row of the table in cmd.c, one file each. */
struct cmd {
	const char *name; /* without the slash */
	const char *arg;  /* what it takes, as /help shows it; "" = nothing */
	const char *help;
	int (*run)(struct line *l, const char *arg, struct err *err);
};

extern const struct cmd cmds[]; /* ends with a row without a name */

/* `text` begins with '/': runs the command.  ERR_USAGE for one that is not known. */
int cmd_run(struct line *l, const char *text, struct err *err);

int cmd_help(struct line *l, const char *arg, struct err *err);
int cmd_new(struct line *l, const char *arg, struct err *err);
int cmd_effort(struct line *l, const char *arg, struct err *err);
int cmd_system(struct line *l, const char *arg, struct err *err);
int cmd_set(struct line *l, const char *arg, struct err *err);
int cmd_quit(struct line *l, const char *arg, struct err *err);

#endif
