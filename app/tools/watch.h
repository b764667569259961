/* Inside a warden: what it knows of its command, and what its files do for each other. */
#ifndef APP_TOOLS_WATCH_H
#define APP_TOOLS_WATCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "app/tools/output.h"
#include "app/tools/sandbox.h"
#include "app/tools/warden.h"

struct watch {
	const struct warden *w;
	struct output out;
	int pipe, signals;
	pid_t shell;
	int64_t began_ms;
	int64_t told_ms;
	uint64_t told;          /* bytes of the clean output */
	uint64_t told_raw;      /* and as they came */
	struct cover cover;     /* what it is kept from */
	struct cover cover_git; /* the same, where git may write */
	struct launch launch;
	int wire;            /* see tripwire.h; -1: there is none */
	struct buf broke;    /* the name that it made */
	bool begun;          /* of one with a shell above it: that one is there */
	bool above_told;     /* … and told how the command ended: it was not ended itself */
	struct buf above;    /* what it says */
	bool exited;         /* the command has: */
	int exit, signal;    /* -1, 0: none */
	int64_t drain_ms;    /* when waiting for what is in the pipe ends */
	enum tool_state why; /* OK, or STOPPED or TIMEOUT: it is to end */
	int64_t kill_ms;     /* when TERM was enough */
	bool runner_gone;
	size_t left; /* processes that were there after the shell's end */
};

/* Is the command kept from anything? */
bool warden_keeps(const struct warden *w);
bool warden_is_for_git(const struct warden *w);

/* To the runner; `done`: it is the last word, which waits until there is room. */
void watch_tell(struct watch *v, bool done, struct job_news *n);

/* What is around the command could not be made, and says why itself. */
bool watch_is_unmade(const struct watch *v);

/* warden_result.c: the last word, once nothing of the command is left. */
void result_tell(struct watch *v);
/* It was never begun: "error: not run: WHY[MORE]". */
void result_tell_not_run(struct watch *v, const char *why, struct str more);

#endif
