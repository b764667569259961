/*
 * Verbs: `dsv4chat NAME …`, one row each.
 */
#ifndef APP_VERB_VERB_H
#define APP_VERB_VERB_H

#include "engine/base/err.h"

struct app;

struct verb {
	const char *name;
	/* argv[0] is the verb's name; returns the exit code. */
	int (*run)(struct app *app, int argc, char **argv);
	const char *help;  /* one line */
	const char *usage; /* what follows the name */
};

extern const struct verb verbs[]; /* ends with a row without a name */

const struct verb *verb_find(const char *name); /* NULL if there is none */

/* Prints the usage of a verb to stderr; returns EXIT_USAGE. */
int verb_usage(const char *name);

/* The exit code of rc; what went wrong goes to stderr. */
int verb_status(const char *name, int rc, const struct err *err);

int verb_bench(struct app *app, int argc, char **argv);
int verb_complete(struct app *app, int argc, char **argv);
int verb_doctor(struct app *app, int argc, char **argv);
int verb_help(struct app *app, int argc, char **argv);
int verb_history(struct app *app, int argc, char **argv);
int verb_logits(struct app *app, int argc, char **argv);
int verb_parse(struct app *app, int argc, char **argv);
int verb_paths(struct app *app, int argc, char **argv);
int verb_prompt(struct app *app, int argc, char **argv);
int verb_score(struct app *app, int argc, char **argv);
int verb_tokens(struct app *app, int argc, char **argv);

#endif
