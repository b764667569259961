/*
 * The slash commands: one table for line mode and the full screen, one file a
 * command, which has what it does in either.
 */
#ifndef APP_CMD_CMD_H
#define APP_CMD_CMD_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "history/history.h"

struct line;
struct screen;

struct cmd {
	const char *name; /* without the slash */
	const char *arg;  /* what it takes, as help shows it; "" = nothing */
	const char *help;
	/* `arg`: what follows the name, without blanks before it; "" = nothing. */
	int (*line)(struct line *l, const char *arg, struct err *err);
	int (*screen)(struct screen *s, const char *arg, struct err *err);
};

extern const struct cmd cmds[]; /* ends with a row without a name */

/*
 * Is a message meant as a command: one line, a slash, a word, then a blank or the end?
 * "/usr/bin is full" is not, and a blank before the slash sends anything.
 */
bool cmd_meant(struct str text);
/* The row of such a text and what follows the name; NULL with ERR_USAGE: no such command. */
const struct cmd *cmd_find(const char *text, const char **arg, struct err *err);

/* Appends what a command tells of the history to `out`. */
typedef int (*cmd_describe_fn)(struct history *h, const char *arg, struct buf *out,
			       struct err *err);
/* Shows it in either mode. */
int cmd_tell(struct line *l, cmd_describe_fn describe, const char *arg, struct err *err);
int cmd_tell_screen(struct screen *s, cmd_describe_fn describe, const char *arg,
		    struct err *err);

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

int cmd_help_screen(struct screen *s, const char *arg, struct err *err);
int cmd_new_screen(struct screen *s, const char *arg, struct err *err);
int cmd_effort_screen(struct screen *s, const char *arg, struct err *err);
int cmd_system_screen(struct screen *s, const char *arg, struct err *err);
int cmd_list_screen(struct screen *s, const char *arg, struct err *err);
int cmd_open_screen(struct screen *s, const char *arg, struct err *err);
int cmd_search_screen(struct screen *s, const char *arg, struct err *err);
int cmd_fork_screen(struct screen *s, const char *arg, struct err *err);
int cmd_edit_screen(struct screen *s, const char *arg, struct err *err);
int cmd_regen_screen(struct screen *s, const char *arg, struct err *err);
int cmd_continue_screen(struct screen *s, const char *arg, struct err *err);
int cmd_title_screen(struct screen *s, const char *arg, struct err *err);
int cmd_export_screen(struct screen *s, const char *arg, struct err *err);
int cmd_rm_screen(struct screen *s, const char *arg, struct err *err);
int cmd_set_screen(struct screen *s, const char *arg, struct err *err);
int cmd_quit_screen(struct screen *s, const char *arg, struct err *err);

#endif
