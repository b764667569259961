/*
 * Runs the program under test to its end, for looking at what it printed.
 *
 * $DSV4CHAT_PROGRAM names it; without that it is build/release/dsv4chat.
 */
#ifndef TESTS_SUPPORT_PROGRAM_H
#define TESTS_SUPPORT_PROGRAM_H

#include "engine/base/buf.h"

struct program_run {
	int status;      /* exit code; 128 + the signal where one ended it; 124 where time did */
	struct buf out;  /* stdout */
	struct buf err;  /* stderr */
};

/*
 * argv begins after the program's name and ends with NULL.  `input` is its whole stdin.  It has
 * `seconds`; any trouble with running it fails the cmocka test.  Release the run afterwards.
 */
void program_run(struct program_run *run, const char *const *argv, struct str input, int seconds);
void program_run_release(struct program_run *run);

/* Runs a shell's line; what it printed on stdout is added to `out`.  Returns its exit code. */
int program_shell(const char *line, struct buf *out);

/*
 * The first of up to n parts (NULL ends them, too) that doesn't stand in the text behind those
 * before it; NULL: all do.
 */
const char *program_lacks(const char *text, const char *const *parts, size_t n);

/* The folder that has the program's configuration, history, log and cache from here on. */
void program_live_in(const char *folder);
/* tmpdir_set_up(), and the program lives in that folder. */
int program_set_up(void **state);

const char *program_path(void);
/* Of a file that was built beside it, like tests/faults/faults.so; until the next call. */
const char *program_beside(const char *name);

#endif
