/*
 * Verbs: `dsv4chat NAME …`, one row each.
 */
#ifndef APP_VERB_VERB_H
#define APP_VERB_VERB_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct verb {
	const char *name;
	/* argv[0] is the verb's name; returns the exit code. */
	int (*run)(int argc, char **argv);
	const char *help;    /* one line */
	const char *usage;   /* what follows the name */
	const char *options; /* what these are: rows of "NAME\tTEXT\n" */
};

extern const struct verb verbs[]; /* ends with a row without a name */

const struct verb *verb_find(const char *name); /* NULL if there is none */

/* Prints the usage of a verb to stderr; returns EXIT_USAGE. */
int verb_usage(const char *name);

/*
 * Is this call of a verb one for help: `help VERB`, `VERB --help`?  Then it is answered, and
 * *code the exit code.  argv[0] is the verb's name.
 */
bool verb_helped(int argc, char **argv, int *code);

/* The verb that a first word may have been meant as, by the words behind it, too; else NULL. */
const struct verb *verb_meant(int argc, char **argv);

/* Appends the usage, the line of help and the rows of options (verb.options). */
void verb_add_help(struct buf *out, const char *name, const char *usage, const char *help,
		   const char *options);

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
		{"ranks", required_argument, NULL, VERB_ENGINE},                              \
		{"comm", required_argument, NULL, VERB_ENGINE},                               \
		{"gpu", required_argument, NULL, VERB_ENGINE},                                \
		{"gpu-memory", required_argument, NULL, VERB_ENGINE},                         \
		{"gpu-experts", required_argument, NULL, VERB_ENGINE},                        \
		{"experts", required_argument, NULL, VERB_ENGINE},                            \
		{"kernels", required_argument, NULL, VERB_ENGINE},                            \
	{                                                                                     \
		"moe-backend", required_argument, NULL, VERB_ENGINE                           \
	}

/* A subcommand of history, told as a verb that can't be run; false behind the last. */
bool verb_history_row(size_t row, struct verb *as);
bool verb_is_subcommand(const char *word); /* of history */
/* Is that a subcommand of history?  Its help is appended; `name` NULL: that of all. */
bool verb_history_help(struct buf *out, const char *name);

/* Appends what that shell reads to complete the program's words; false: it is not known. */
bool verb_add_completion(const char *shell, struct buf *out);

int verb_bench(int argc, char **argv);
int verb_cache(int argc, char **argv);
int verb_complete(int argc, char **argv);
int verb_completion(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_help(int argc, char **argv);
int verb_history(int argc, char **argv);
int verb_logits(int argc, char **argv);
int verb_parse(int argc, char **argv);
int verb_paths(int argc, char **argv);
int verb_prompt(int argc, char **argv);
int verb_replay(int argc, char **argv);
int verb_score(int argc, char **argv);
int verb_tokens(int argc, char **argv);
int verb_tools(int argc, char **argv);

#endif
