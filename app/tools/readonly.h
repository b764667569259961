/*
 * Commands that only look: which programs, and with which of their options.
 *
 * What is not known for certain to write nothing, run nothing and wait for nobody is not one of
 * them.  Options are taken apart as the programs do it; one that stands in no row is unknown.
 * Pure, but for what the caller's `operand` does.
 */
#ifndef APP_TOOLS_READONLY_H
#define APP_TOOLS_READONLY_H

#include "app/tools/shellwords.h"

/* May that file or folder be looked at?  Asked of each word that names one, or may; `file`: it
 * may not be a folder, since what lies in one would be followed wherever it leads. */
struct readonly_look {
	bool (*operand)(void *ctx, const struct shell_word *w, bool file);
	void *ctx;
};

/* The first word's program, with these words; not of cd, which changes what others mean. */
bool readonly_is(const struct shell_command *c, const struct readonly_look *look);

/* Its name at i, for tests and for people; NULL behind the last. */
const char *readonly_name(size_t i);

#endif
