/*
 * The slash commands: one table for line mode and the full screen, a function each, which knows
 * neither (host.h).
 */
#ifndef APP_CMD_CMD_H
#define APP_CMD_CMD_H

#include "app/cmd/host.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"

struct cmd {
	const char *name; /* without the slash */
	const char *arg;  /* what it takes, as help shows it; "" = nothing */
	const char *help;
	/* `arg`: what follows the name, without blanks before it; "" = nothing. */
	int (*run)(struct cmd_host *h, const char *arg, struct err *err);
};

extern const struct cmd cmds[]; /* ends with a row without a name */

/*
 * Is a message meant as a command: one line, a slash, a word, then a blank or the end?
 * "/usr/bin is full" is not, and a blank before the slash sends anything.
 */
bool cmd_meant(struct str text);
/* Is it what ends other programs, and nothing else?  It is asked then. */
bool cmd_is_leaving(struct str text);
/* Runs such a text.  ERR_USAGE: there is no such command (*known false), or not so. */
int cmd_run(struct cmd_host *h, const char *text, bool *known, struct err *err);

/* Shows what `describe` appends of the history. */
typedef int (*cmd_describe_fn)(struct history *h, const char *arg, struct buf *out,
			       struct err *err);
int cmd_tell(struct cmd_host *h, cmd_describe_fn describe, const char *arg, struct err *err);

/* When a conversation of a list was last said something in. */
void cmd_add_when(struct buf *out, int64_t ms);

/* To the clipboard, however that is reached; says how. */
int cmd_copy_text(struct cmd_host *h, struct str text, struct err *err);

int cmd_help(struct cmd_host *h, const char *arg, struct err *err);
int cmd_new(struct cmd_host *h, const char *arg, struct err *err);
int cmd_effort(struct cmd_host *h, const char *arg, struct err *err);
int cmd_system(struct cmd_host *h, const char *arg, struct err *err);
int cmd_list(struct cmd_host *h, const char *arg, struct err *err);
int cmd_open(struct cmd_host *h, const char *arg, struct err *err);
int cmd_search(struct cmd_host *h, const char *arg, struct err *err);
int cmd_fork(struct cmd_host *h, const char *arg, struct err *err);
int cmd_edit(struct cmd_host *h, const char *arg, struct err *err);
int cmd_regen(struct cmd_host *h, const char *arg, struct err *err);
int cmd_continue(struct cmd_host *h, const char *arg, struct err *err);
int cmd_undo(struct cmd_host *h, const char *arg, struct err *err);
int cmd_redo(struct cmd_host *h, const char *arg, struct err *err);
int cmd_approve(struct cmd_host *h, const char *arg, struct err *err);
int cmd_plan(struct cmd_host *h, const char *arg, struct err *err);
int cmd_title(struct cmd_host *h, const char *arg, struct err *err);
int cmd_export(struct cmd_host *h, const char *arg, struct err *err);
int cmd_rm(struct cmd_host *h, const char *arg, struct err *err);
int cmd_set(struct cmd_host *h, const char *arg, struct err *err);
int cmd_copy(struct cmd_host *h, const char *arg, struct err *err);
int cmd_quit(struct cmd_host *h, const char *arg, struct err *err);

#endif
