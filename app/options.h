/*
 * The options: one table serves flags, file, environment, /set, --help, the
 * completions and the man page's check.
 *
 * Later wins: defaults, the file, DSV4CHAT_* variables, flags.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
enum input_keys { INPUT_EMACS, INPUT_VI };
enum sandbox_want { SANDBOX_WORKSPACE, SANDBOX_READ_ONLY, SANDBOX_UNWANTED };
enum input_format { INPUT_TEXT, INPUT_JSONL };

/* Strings are owned; NULL = not given. */
struct options {
	char *model;
	int64_t threads, ctx;    /* 0 = one thread for each physical core; the model's context */
	double cache_memory;     /* GB; 0 = a part of what is free */
	double cache_disk;       /* GB; 0 = nothing is kept on disk */
	int backend, kernels, moe_backend, comm, experts; /* which of their choices; 0 = the
							     engine's */
	int gpu;
	double gpu_memory;       /* GB; 0 = all that the GPU has */
	int gpu_experts;         /* of each layer's, those in its own memory; 0 = auto */
	int ranks;               /* 0 = auto */
	char *system;
	char *prefill;           /* what each answer begins with */
	int effort;              /* enum chat_effort */
	bool hide_thinking;
	struct sampling sampling;
	bool seed_given;         /* else each turn takes a new seed */
	char *prompt;            /* -p, or the words after the options, joined by blanks */
	char **files;
	size_t n_files;
	bool go_on;              /* --continue */
	char *resume;            /* a conversation by id or title */
	bool pick;               /* --resume without one: it is asked for */
	bool fork, ephemeral;
	int titles;              /* 1: by the model, while nothing else is to do; 0 = off */
	bool json, partial;
	int input_format;        /* enum input_format */
	bool plain;
	int color;               /* enum color_when */
	double timeout_s;        /* 0 = none */
	int log_level;           /* enum log_level */
	char *engine_script;
	bool tools;              /* the model is offered tools, and they run */
	int approve;             /* enum agent_mode */
	bool approve_host;       /* who writes JSON lines answers for the user */
	double approve_timeout_s; /* … by then; 0 = whenever */
	char **allow;            /* rules, as rules_add() takes them */
	size_t n_allow;
	char **ask;
	size_t n_ask;
	char **deny;
	size_t n_deny;
	int sandbox;             /* enum sandbox_want */
	int64_t tool_rounds, max_refused;
	bool no_agents_md;
	char *runner_script;
	bool mouse;
	int ruler;               /* enum tui_ruler */
	int keys;                /* enum input_keys */
	char **bindings;         /* ACTION=KEYS, of the full screen */
	size_t n_bindings;
	char *script;
	bool help, version;
};

enum option_type {
	OPTION_SWITCH, /* bool */
	OPTION_ALIAS,  /* sets a choice to one value: --think */
	OPTION_TEXT,   /* char * */
	OPTION_LIST,   /* char ** and the size_t behind it: may be given again */
	OPTION_COUNT,  /* int64_t */
	OPTION_SMALL,  /* int */
	OPTION_REAL,   /* double */
	OPTION_SEED,   /* uint64_t, and seed_given */
	OPTION_CHOICE, /* int: index into choices */
};

/* Where a row may be given. */
#define OPTION_FLAG 1u
#define OPTION_FILE 2u /* the configuration file, and DSV4CHAT_NAME */
#define OPTION_LIVE 4u /* /set: holds from the next turn on */
#define OPTION_ASKED 16u /* its value may be left out: struct options has `pick` for that */
#define OPTION_NO_ENV 32u /* never DSV4CHAT_NAME, which a folder's own settings may set */
#define OPTION_HIDDEN 8u /* not in --help: for tests and demonstrations */

struct option_row {
	const char *group; /* heading in --help; NULL: as the row before */
	const char *name;
	char letter;       /* 0 = none */
	enum option_type type;
	size_t at;         /* in struct options */
	unsigned where;
	const char *arg;   /* what its value is called; NULL: it has none */
	const char *help;
	double least, most; /* of numbers */
	const char *zero;   /* the word for a number of 0; NULL: there is none */
	const char *const *choices; /* ends with NULL */
	int fixed;          /* of an alias */
	int (*check)(const char *value, struct err *err); /* of a list's items; NULL: any text */
};

extern const struct option_row option_rows[]; /* ends with a row without a name */

const struct option_row *option_find(const char *name); /* NULL: no such option */
/* The name nearest to what was written, NULL if none is near. */
const char *option_near(const char *name);

/* What an engine is opened with, but for the model's directory; the strings are constants. */
void options_engine(const struct options *o, struct engine_config *config);

void options_default(struct options *o);
void options_release(struct options *o);

/* Sets one option from text.  ERR_USAGE names it, what was found, what is expected. */
int option_set(struct options *o, const struct option_row *row, const char *value,
	       struct err *err);
/* Its value as option_set() takes it. */
void option_get(const struct options *o, const struct option_row *row, struct buf *out);

/* The file at `path` (none is fine), then the environment. */
int options_read_file(struct options *o, const char *path, struct err *err);
int options_read_env(struct options *o, struct err *err);
/* Where in argv the first word is that belongs to no option; 0: there is none, or the words are a
 * question's for certain (behind --, or with -p), or the options before it are wrong. */
int options_first_word(int argc, char **argv);
/* Flags and words; argv may be reordered. */
int options_read_flags(struct options *o, int argc, char **argv, struct err *err);

void options_add_help(struct buf *out);

#endif
