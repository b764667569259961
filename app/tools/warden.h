/*
 * One command and all that it starts: a warden is a process of its own that runs it, reads what
 * it prints, and outlives none of it.
 *
 * It is a child of the runner, which has one thread.  It tells the runner what the command
 * prints, at most every 50 ms, and how it ended; when the runner is gone it ends everything.
 */
#ifndef APP_TOOLS_WARDEN_H
#define APP_TOOLS_WARDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/tools/sandbox.h"
#include "engine/base/buf.h"

struct warden {
	int sock; /* to the runner: WIRE_OUTPUT and WIRE_DONE, and from it WIRE_STOP */
	const struct sandbox *sandbox;
	const struct workspace *workspace;
	struct str command;
	unsigned grade; /* enum tool_grade, bits */
	int64_t timeout_ms;
	bool clamped; /* the model asked for more than WARDEN_MOST_MS */
	size_t limit; /* bytes of the result */
	int spill;    /* for all that it prints; -1: nowhere */
	unsigned n_spill;
};

#define WARDEN_COMMAND    32768  /* bytes that it may have */
#define WARDEN_TIMEOUT_MS 120000 /* where the model says nothing */
#define WARDEN_MOST_MS    600000
#define WARDEN_TERM_MS    2000 /* from TERM to KILL */
#define WARDEN_GRACE_MS   5000 /* a warden has beyond what its command has */

/* Runs it to its end, and tells of that; the exit status of the process.  Single-threaded. */
int warden_run(const struct warden *w);

#endif
