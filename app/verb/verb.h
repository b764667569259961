/*
 * Verbs: `dsv4chat NAME …`, one row each.
 */
#ifndef APP_VERB_VERB_H
#define APP_VERB_VERB_H

#include <stddef.h>

#include "engine/base/err.h"

struct verb {
	const char *name;
	/* argv[0] is the verb's name; returns the exit code. */
	int (*run)(int argc, char **argv);
	const char *help;  /* one line */
	const char *usage; /* what follows the name */
};

extern const struct verb verbs[]; /* ends with a row without a name */

const struct verb *verb_find(const char *name); /* NULL if there is none */

/* Prints the usage of a verb to stderr; returns EXIT_USAGE. */
int verb_usage(const char *name);

/* The word of argv that getopt_long() returned '?' for, with opterr 0: it would print it. */
const char *verb_unknown(char **argv);

/* Tells it, and the usage. */
int verb_refuse(char **argv);

/* The exit code of rc; what went wrong goes to stderr. */
int verb_status(const char *name, int rc, const struct err *err);

/*
 * The rows of a verb's table for getopt_long that say what computes, each with VERB_ENGINE: their
 * values are set by option_set() under the flag's name and given on by options_engine().
 */
#define VERB_ENGINE 1000
#define VERB_ENGINE_FLAGS                                                                     \
	{"backend", required_argument, NULL, VERB_ENGINE},                                    \
		{"threads", required_argument, NULL, VERB_ENGINE},                            \
		{"gpu", required_argument, NULL, VERB_ENGINE},                                \
		{"kernels", required_argument, NULL, VERB_ENGINE},                            \
	{                                                                                     \
		"moe-backend", required_argument, NULL, VERB_ENGINE                           \
	}

/* A subcommand of history, and what follows its name; NULL behind the last. */
const char *verb_history_row(size_t row, const char **usage);

int verb_bench(int argc, char **argv);
int verb_complete(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_help(int argc, char **argv);
int verb_history(int argc, char **argv);
int verb_logits(int argc, char **argv);
int verb_parse(int argc, char **argv);
int verb_paths(int argc, char **argv);
int verb_prompt(int argc, char **argv);
int verb_score(int argc, char **argv);
int verb_tokens(int argc, char **argv);

#endif
