/*
 * What is around a command, and becoming one in it.
 *
 * All that may fail is done before the fork: the child only takes its place.
 */
#ifndef APP_TOOLS_SANDBOX_H
#define APP_TOOLS_SANDBOX_H

#include <sys/types.h>

#include "app/tools/cover.h"
#include "app/tools/tools.h"
#include "app/tools/workspace.h"
#include "engine/base/err.h"

/* Of a session. */
struct sandbox {
	enum sandbox_layer layer;
	int landlock;  /* the version that is used */
	char *scratch; /* see scratch.h */
};

/* One command to be. */
struct launch {
	enum sandbox_layer layer; /* OFF: nothing is around it */
	struct buf words;         /* that argv points to */
	const char *argv[16];
	char **env;
	int dir; /* where it starts; borrowed */
	/* The child's: for bubblewrap its options, the filter, and the ends of the two pipes
	 * below; for Landlock's layer its rules, and the filter.  -1: none. */
	int options, filter, rules, said, gate;
	/*
	 * Within bubblewrap the command has a shell above it (launch_has_above()) that stays
	 * when it has ended, so that what it left behind can be told from what is around it.
	 * That one writes a line to `hear` when it is there and waits for a line in `tell`, runs
	 * the command, writes its exit code, and waits again.  -1: there is none.
	 */
	int hear, tell;
};

extern const struct launch launch_none;

/* What would be around a command of that grade. */
enum sandbox_layer sandbox_layer_for(const struct sandbox *s, unsigned grade);
/* The command has a shell above it. */
bool launch_has_above(const struct launch *l);

/*
 * `grade`: enum tool_grade, bits.  ERR_USAGE: there is more to be kept from it than can be;
 * ERR_IO, ERR_NOMEM.  To be released either way.
 */
int launch_make(struct launch *l, const struct sandbox *s, const struct workspace *w,
		const struct cover *c, struct str command, unsigned grade, struct err *err);
/* In the parent, after the fork: what was the child's. */
void launch_give(struct launch *l);
void launch_release(struct launch *l);

/* In a child of `parent`: becomes the command, which prints to `out`. */
_Noreturn void launch_become(const struct launch *l, int out, pid_t parent);

/* What is covered may be gone by the time it is: so often one is made anew. */
#define SANDBOX_TRIES 4

/* ---- its files' own ---- */

/* bubblewrap's own path: one that was put somewhere else does not win. */
#define BWRAP_PATH "/usr/bin/bwrap"

/* Options, each ended by a NUL. */
void bwrap_add_options(struct buf *out, const struct sandbox *s, const struct workspace *w,
		       const struct cover *c, unsigned grade);
/* Rules for a command, to be enforced in the child; -1 where they cannot be made. */
int landlock_for_command(const struct sandbox *s, const struct workspace *w,
			 const struct cover *c, unsigned grade);

#endif
