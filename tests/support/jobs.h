/*
 * A runner for one test: jobs for it, their news, and processes that can be told from all
 * others. The test's program is the runner, too: its main() begins with runner_is_called().
 *
 * Any trouble fails the running cmocka test.
 */
#ifndef TESTS_SUPPORT_JOBS_H
#define TESTS_SUPPORT_JOBS_H

#include "tests/support/shared_files.h"

#include <string.h>

#include "app/tools/tools.h"
#include "tests/support/tmpdir.h"

struct jobs {
	struct tmpdir d; /* with "ws", the workspace, and "spills" */
	struct runner *r;
	enum sandbox_layer sandbox; /* around commands */
	unsigned grade; /* of its jobs */
	char mark[64]; /* a name for processes: no one else's has it */
};

/* A test's own, started, without a sandbox, or with that layer as the strongest; in the end no
 * process that is marked is left. */
int jobs_set_up(void **state);
int jobs_set_up_in(void **state, enum sandbox_layer layer);
int jobs_tear_down(void **state);
/* Another in its place, which is gone. */
void jobs_start(struct jobs *s);
/* The same, as runner_start() gives it. */
int jobs_start_runner(struct jobs *s, struct err *err);

/* Begins one in the conversation "talk"; `ms` as job.timeout_ms. */
uint64_t jobs_begin(struct jobs *s, const char *tool, const char *args, int64_t ms);
uint64_t jobs_begin_shell(struct jobs *s, const char *command, int64_t ms);
/* The next news; false: the runner is gone. */
bool jobs_next(struct jobs *s, struct job_news *n);
/* Until the command has printed something. */
void jobs_wait_for_output(struct jobs *s);
/* To its end, which is the test's until the next one; *n_output: how often it went on; or NULL.
 */
const struct job_news *jobs_finish(struct jobs *s, size_t *n_output);
/* A command, begun and ended. */
const struct job_news *jobs_shell(struct jobs *s, const char *command);
void jobs_expect(const struct job_news *n, enum tool_state state, const char *text);

/* Commands, and what is told of how they ended. */
struct jobs_end {
	const char *command, *text;
	enum tool_state state;
	int exit, signal;
};
void jobs_expect_ends(struct jobs *s, const struct jobs_end *ends, size_t n);
/* Those that are told the same whatever is around a command. */
void jobs_expect_usual_ends(struct jobs *s);

/* The command with the mark where it says MARK; until the next one. */
const char *jobs_marked(const struct jobs *s, const char *command);
/* A child of that process; 0: it has none. */
pid_t jobs_child_of(pid_t parent);
/* Processes whose command line begins with the mark. */
size_t jobs_count_marked(const struct jobs *s);
/* Waits until there are so many. */
void jobs_expect_marked(const struct jobs *s, size_t want);

#define HAS(text, part)                                                                        \
	do {                                                                                   \
		const char *text_ = (text);                                                    \
		if (!strstr(text_, (part)))                                                    \
			fail_msg("\"%s\" has no \"%s\"", text_, (part));                       \
	} while (0)

#endif
