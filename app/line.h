/*
 * Line mode: a chat a line at a time, text appended and nothing repainted, for
 * screen readers, serial lines and `script`.
 */
#ifndef APP_LINE_H
#define APP_LINE_H

#include "app/app.h"
#include "app/dialog.h"
#include "app/inputs.h"
#include "app/record.h"

struct line {
	struct app *app;
	struct dialog dialog; /* the branch that is shown, as the next prompt needs it */
	struct record record;
	struct inputs forgotten; /* typed in what was removed: not to be kept at the end */
	bool quit;
};

/* Returns the exit code. */
int line_run(struct app *app);

/* Asks: the answer comes on stdout and is kept. */
int line_ask(struct line *l, struct str text, struct err *err);
/* Answers what the branch ends with; resume: goes on with that answer of it instead. */
int line_answer(struct line *l, const struct history_message *resume, struct err *err);
/* Goes over to another conversation (0: a new one) and says which. */
int line_open(struct line *l, int64_t conversation, struct err *err);
/* The last message of that role on the branch; NULL: there is none. */
const struct history_message *line_last(struct line *l, enum history_role role);
/* Prints one line of text that may hold anything. */
void line_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

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
int cmd_list(struct line *l, const char *arg, struct err *err);
int cmd_open(struct line *l, const char *arg, struct err *err);
int cmd_search(struct line *l, const char *arg, struct err *err);
int cmd_fork(struct line *l, const char *arg, struct err *err);
int cmd_edit(struct line *l, const char *arg, struct err *err);
int cmd_regen(struct line *l, const char *arg, struct err *err);
int cmd_continue(struct line *l, const char *arg, struct err *err);
int cmd_title(struct line *l, const char *arg, struct err *err);
int cmd_export(struct line *l, const char *arg, struct err *err);
int cmd_rm(struct line *l, const char *arg, struct err *err);
int cmd_set(struct line *l, const char *arg, struct err *err);
int cmd_quit(struct line *l, const char *arg, struct err *err);

#endif
