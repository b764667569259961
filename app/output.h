/*
 * The one way to stdout and stderr, which may be a terminal that acts on bytes, or a pipe where
 * nobody reads.
 *
 * On a terminal nothing acts but what the program itself means: text goes through
 * engine/base/termsafe.h.  A file or a pipe gets the bytes as they are.  A write waits until
 * there is room, a signal is seen (app/signals.h) or the time is up; after either of these it
 * takes only what can be had at once, so that a pipe that is full does not keep the program
 * from ending.
 *
 * All return false where not all was written; errno tells why (EINTR: given up, as above).
 */
#ifndef APP_OUTPUT_H
#define APP_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"

/* When the time is up for all writes: CLOCK_MONOTONIC, ms; 0, the default: never. */
void output_until(int64_t deadline_ms);

/* What must not wait for a reader, done while a write waits. */
struct output_chore {
	int (*due_ms)(void *ctx); /* from now; -1: it isn't, until something changes */
	void (*run)(void *ctx);   /* when it is due; it writes nothing to stdout */
	void *ctx;
};
void output_meanwhile(const struct output_chore *c); /* copied; NULL: nothing any more */

/* All of it, behind what stdio holds for stdout; filtered if fd is a terminal. */
bool output_text(int fd, struct str text);
bool output_format(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whole JSON values: on a terminal what would act is written as \uXXXX. */
bool output_json(int fd, struct str text);

/* Filtered wherever it goes.  On stderr also from a signal handler. */
bool output_safe(int fd, struct str text);

/* As it is: colours, the cursor's movement.  Never what holds a word of somebody else. */
bool output_own(int fd, const char *bytes);

#endif
