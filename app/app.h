/*
 * What every mode and verb of the program shares.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include "app/options.h"
#include "app/tools/reads.h"
#include "app/tools/rules.h"
#include "app/tools/tools.h"
#include "engine/engine.h"

struct app {
	struct options opt;
	struct engine *engine; /* NULL until app_open_engine() */
	int64_t start_ms;      /* CLOCK_MONOTONIC, when the program began */
	/* An agent session's, from app_open_tools() on; else NULL: */
	struct runner *runner;
	struct tool_set *tools;
	struct rules *rules;
	struct reads *reads;   /* which of their commands only look */
	char *workspace;       /* the folder that they work in: an absolute path without links */
	struct buf config_dir; /* of the program's configuration; "": there is none */
};

/* The options before any flag: defaults, the configuration file where there is one, DSV4CHAT_*. */
int app_read_settings(struct options *o, struct err *err);

/* The checkpoint's directory that they name, else the small model's; appended. */
int app_model_dir(const struct options *o, struct buf *out, struct err *err);

/*
 * Opens the engine that the options name: the scripted one (--engine-script), or the real one
 * on --model, else on the small model that comes along.  It loads in the background.
 */
int app_open_engine(struct app *app, struct err *err);
void app_close_engine(struct app *app);

/*
 * With --tools: what runs them, before the engine opens and maps the model, and what the model is
 * offered: the tools that only read, and where the kernel confines them those that change files;
 * all, where a script plays them.  ERR_USAGE: the folder that the program was started in cannot
 * be a workspace.
 */
int app_open_tools(struct app *app, struct err *err);
void app_close_tools(struct app *app);

/* The rules that the options have, of that workspace; for rules_free().  ERR_USAGE, ERR_NOMEM. */
int app_rules(struct rules **out, const struct options *o, const char *workspace,
	      struct err *err);

/* Those, then the rules that the user's answers left for the workspace (allowed.h); what of them is
 * not taken is told.  For rules_free(), whatever comes back. */
int app_rules_here(struct rules **out, const struct options *o, const char *workspace,
		   struct err *err);

/* Which commands only look, in that workspace, where the rules hide nothing; for reads_free().
 * ERR_USAGE, ERR_NOMEM. */
int app_reads(struct reads **out, const struct rules *rules, const char *workspace,
	      struct err *err);

/* "dsv4chat: TEXT" on stderr.  Messages quote files and models: nothing acts on a terminal. */
void app_tell(const char *text);

/*
 * The file of earlier inputs, which is there to be written afterwards; appended.  False, and
 * nothing: none are kept, by --ephemeral or without a home.
 */
bool app_inputs_path(const struct options *o, struct buf *out);

/* TERM, where it says what the terminal can; NULL: it is not set, or dumb. */
const char *app_terminal(void);

/* May `fd` be coloured: a terminal, not dumb, NO_COLOR not set; or as --color says. */
bool app_color(const struct app *app, int fd);

/* CLOCK_MONOTONIC in ms; and when --timeout ends, 0 = never. */
int64_t app_deadline_ms(const struct app *app);

#endif
