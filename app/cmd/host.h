/*
 * What a slash command may ask of the mode it runs in, whichever that is.
 *
 * A command works on the conversation (app/talk) by itself; what is shown, asked, opened or
 * waited for goes through here.  Each mode embeds a struct cmd_host.  UI thread only.
 */
#ifndef APP_CMD_HOST_H
#define APP_CMD_HOST_H

#include "app/options.h"
#include "app/talk/store.h"

#define CMD_UNDO_TURNS 1000 /* of one undo() */

struct cmd_host;

struct cmd_host_ops {
	struct talk *(*talk)(const struct cmd_host *h); /* the one that is shown; never NULL */

	int64_t (*ctx_tokens)(const struct cmd_host *h); /* what fits; 0 = not known yet */

	/* A word on what was done; and an answer of several lines, which is to stay. */
	void (*say)(struct cmd_host *h, const char *text);
	void (*tell)(struct cmd_host *h, struct str text);
	void (*help)(struct cmd_host *h); /* what can be done here */
	/* Copies through the terminal, which may not take it. */
	int (*copy)(struct cmd_host *h, struct str text, struct err *err);
	/* What an option is, NULL: all that can be set here. */
	void (*show_option)(struct cmd_host *h, const struct option_row *row);
	void (*options_changed)(struct cmd_host *h); /* what hangs on them follows */

	/* An answer to this conversation is being written, so that its branches stay: says so. */
	bool (*is_writing)(struct cmd_host *h);
	/* Goes over to another conversation, whose messages may not be in memory yet. */
	int (*open)(struct cmd_host *h, struct talk *t, struct err *err);
	int (*open_new)(struct cmd_host *h, struct err *err);
	int (*open_branch)(struct cmd_host *h, struct talk *t, struct err *err); /* just made */
	/* Removes it, and says how far that is for good; where it is shown, a new one is then.
	 */
	int (*remove)(struct cmd_host *h, struct talk *t, struct err *err);
	void (*renamed)(struct cmd_host *h);

	/*
	 * Asks `text` in place of `instead` (NULL: after the leaf), with the files that it
	 * names and those that came with that; answers the leaf; goes on with m, of which that
	 * may be said.
	 */
	int (*ask)(struct cmd_host *h, struct str text, const struct talk_message *instead,
		   struct err *err);
	int (*answer)(struct cmd_host *h, struct err *err);
	int (*go_on)(struct cmd_host *h, struct talk_message *m, struct err *err);
	/* Goes on with calls of the last answer that have no result; *did: there are such, and
	 * tools for them. */
	int (*go_on_calls)(struct cmd_host *h, bool *did, struct err *err);
	/*
	 * Shows which file edits of the last `turns` questions with any can be taken back
	 * (again: made again), and does it where the user says yes; 1 to CMD_UNDO_TURNS.
	 */
	int (*undo)(struct cmd_host *h, bool again, size_t turns, struct err *err);
	/* Tells what of the tools needs no question, and changes that: agent_approve(). */
	int (*approve)(struct cmd_host *h, const char *arg, struct err *err);
	/* Begins plan mode; else leaves it, and asks whether to go ahead with the plan. */
	int (*plan)(struct cmd_host *h, struct err *err);
	/* Its text comes back to the input; NULL: not in this mode. */
	void (*edit)(struct cmd_host *h, const struct talk_message *m);

	void (*quit)(struct cmd_host *h);
};

struct cmd_host {
	const struct cmd_host_ops *ops;
	struct options *opt;  /* borrowed, as is */
	struct talks *talks;
};

#endif
