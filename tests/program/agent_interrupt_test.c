/*
 * An agent session that is interrupted, wherever it is and however it is run; and where else
 * its ways to an end are tried on each surface:
 *
 *                     full screen      a line at a time   one question       JSON lines
 * yes                 agent_screen     agent_program      agent_program      approve_host
 * no, with a reason   agent_screen     agent_program      tools_program      approve_host
 * session, always     approve_program  approve_program    -                  approve_host
 * nobody to ask: 5    -                -                  agent_program      agent_program
 * Esc, SIGINT:
 *   answering         here             here               here               here
 *   at the question   agent_screen     agent_program      agent_program      here
 *   running           agent_screen     agent_program      here               here
 *   any state         agent_test, on a runner of its own
 * said meanwhile      agent_screen     -                  -                  approve_host
 * kill -9, then -c    agent_screen     agent_program      agent_kill,        here
 *                                                         agent_kill_tools
 * undo                undo_program     undo_program       -                  undo_program
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "tests/support/program.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define DONE "{\"done\": {}}\n"
#define MAKE "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"make\"}}}\n"
#define READ "{\"call\": {\"name\": \"read_file\", \"arguments\": {\"path\": \"notes.txt\"}}}\n"
/* A call that takes seconds to be written, and would be run. */
#define SLOW_READ                                                                              \
	"{\"text\": \"I look.\"}\n{\"call\": {\"name\": \"read_file\", \"arguments\": "        \
	"{\"path\": "                                                                          \
	"\"notes of all of the last year.txt\"}}, \"chunk\": 1, \"delay_ms\": 300}\n"
#define GOES_ON(expected) "{\"turn\": {" expected "}}\n{\"text\": \"There.\"}\n" DONE
/* Its job prints at once, and goes on for an hour. */
#define LONG_JOB                                                                               \
	"{\"output\": \"begunended\", \"chunk\": 5, \"delay_ms\": 400, \"stubborn_ms\": 10}\n"

static void write_scripts(const char *engine, const char *runner)
{
	tmpdir_write_text(&test_dir, "engine", engine);
	tmpdir_write_text(&test_dir, "runner", runner ? runner : "# nothing\n");
}

/* ---- without a terminal ---- */

static const struct state {
	const char *name, *engine, *runner;
	const char *seen;  /* on stdout, when it is interrupted */
	const char *said;  /* there, afterwards; NULL: not looked at */
	const char *after; /* the model is asked so with the next question */
	bool asks;         /* is to be had where a program answers for the user alone */
} states[] = {
	{"answering", SLOW_READ DONE, NULL, "tool_call_begin", NULL,
	 "\"expect\": \"more\", \"expect_messages\": 4", false},
	{"at the question", MAKE READ DONE, NULL, "tool_request", "\"state\": \"denied\"",
	 "\"expect\": \"more\", \"expect_tool\": \"not run: stopped by the user\"", true},
	{"running", READ MAKE DONE, LONG_JOB, "tool_output", "\"state\": \"stopped\"",
	 "\"expect\": \"more\", \"expect_results\": \"0 1\"", false},
};

/* With these arguments, all that it prints in "out"; *in: its stdin, open. */
static pid_t start(const char *const *more, int *in)
{
	const char *argv[20] = {program_path(), "--tools",   "--titles",
				"off",          "--nothink", "--json"};
	char engine[300], runner[300];
	size_t n = 6;
	int ends[2];
	pid_t pid;

	snprintf(engine, sizeof(engine), "%s", tmpdir_file(&test_dir, "engine"));
	snprintf(runner, sizeof(runner), "%s", tmpdir_file(&test_dir, "runner"));
	argv[n++] = "--engine-script";
	argv[n++] = engine;
	argv[n++] = "--runner-script";
	argv[n++] = runner;
	while (*more)
		argv[n++] = *more++;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int out =
			open(tmpdir_file(&test_dir, "out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(ends[0], 0);
		dup2(out, 1);
		dup2(out, 2);
		execv(argv[0], (char *const *)argv);
		_exit(99);
	}
	close(ends[0]);
	*in = ends[1];
	return pid;
}

static void read_out(struct buf *out)
{
	struct err err;

	buf_reset(out);
	if (access(tmpdir_file(&test_dir, "out"), F_OK) == 0)
		assert_int_equal(file_read(out, tmpdir_file(&test_dir, "out"), 1 << 20, &err),
				 0);
}

static void wait_until_printed(const char *what)
{
	struct buf out = {0};

	for (int64_t end = clock_ms() + 30000;; usleep(5000)) {
		read_out(&out);
		if (strstr(buf_z(&out), what))
			break;
		if (clock_ms() > end)
			fail_msg("'%s' lacks '%s'", buf_z(&out), what);
	}
	buf_release(&out);
}

static int ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Another question in the same conversation, of which the model is told so much. */
static void go_on(const struct state *s)
{
	static const char *const more[] = {"-c", "-p", "more", NULL};
	struct buf script = {0}, out = {0};
	int in, status;
	pid_t pid;

	buf_addf(&script, GOES_ON("%s"), s->after);
	write_scripts(buf_z(&script), NULL);
	pid = start(more, &in);
	close(in);
	status = ended(pid);
	read_out(&out);
	if (status != 0 || !strstr(buf_z(&out), "\"done\""))
		fail_msg("after %s: %d: %s", s->name, status, buf_z(&out));
	buf_release(&script);
	buf_release(&out);
}

/* In that state, by that signal. */
static int end_by(const struct state *s, const char *const *how, bool is_lines, int signal,
		  struct buf *out)
{
	int in, status;
	pid_t pid;

	write_scripts(s->engine, s->runner);
	tmpdir_clear(&test_dir, "dsv4chat");
	pid = start(how, &in);
	if (is_lines)
		assert_true(write(in, "{\"text\": \"hi\"}\n", 15) == 15);
	else
		close(in); /* which it would read on */
	wait_until_printed(s->seen);
	kill(pid, signal);
	status = ended(pid);
	if (is_lines)
		close(in);
	read_out(out);
	return status;
}

static void interrupt(const struct state *s, const char *const *how, bool is_lines)
{
	struct buf out = {0};
	int status = end_by(s, how, is_lines, SIGINT, &out);

	if (status != 130 || (s->said && !strstr(buf_z(&out), s->said)) ||
	    !strstr(buf_z(&out), "\"type\": \"done\""))
		fail_msg("%s: %d: %s", s->name, status, buf_z(&out));
	/* What was cut has not been run. */
	assert_true(s->runner || !strstr(buf_z(&out), "tool_start"));
	buf_release(&out);
	go_on(s);
}

static void a_signal_ends_one_question_wherever_it_is(void **state)
{
	static const char *const how[] = {"-p", "hi", NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (!states[i].asks)
			interrupt(&states[i], how, false);
}

static void a_signal_ends_a_session_of_lines_wherever_it_is(void **state)
{
	static const char *const how[] = {"--input-format", "jsonl", "--approve-host", NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		interrupt(&states[i], how, true);
}

static void a_session_of_lines_that_was_killed_is_gone_on_with(void **state)
{
	static const char *const how[] = {"--input-format", "jsonl", NULL};
	static const struct state kills[] = {
		{"running", READ DONE, LONG_JOB, "tool_output", NULL,
		 "\"expect\": \"more\", \"expect_tool\": \"the program ended while this ran; "
		 "what it did is not known\"",
		 false},
		{"answering", SLOW_READ DONE, NULL, "tool_call_begin", NULL,
		 "\"expect\": \"more\"", false},
	};
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(kills) / sizeof(kills[0]); i++) {
		assert_int_equal(end_by(&kills[i], how, true, SIGKILL, &out), 128 + SIGKILL);
		go_on(&kills[i]);
	}
	buf_release(&out);
}

/* ---- at a terminal ---- */

/* While a call is written: it is not run, and the next question is answered. */
static void a_call_that_is_cut_while_it_is_written_does_not_run(void **state)
{
	static const char engine[] = SLOW_READ DONE GOES_ON("\"expect\": \"go on\"");
	const char *args[] = {"--tools",
			      "--titles",
			      "off",
			      "--ephemeral",
			      "--runner-script",
			      tmpdir_file(&test_dir, "runner"),
			      NULL,
			      NULL};
	struct stage_setup su = {.args = args, .home = test_dir.path, .engine_script = engine};

	(void)state;
	tmpdir_write_text(&test_dir, "runner", "{\"output\": \"it ran\\n\"}\n");
	for (int plain = 0; plain < 2; plain++) {
		struct stage st;

		args[6] = plain ? "--plain" : NULL;
		(plain ? stage_begin_lines : stage_begin)(&st, &su);
		stage_type(&st, plain ? "hi\n" : "hi\r");
		stage_wait_for(&st, "read_file");
		stage_type(&st, plain ? "\003" : "\033");
		stage_wait_for(&st, plain ? "interrupted" : "ready");
		stage_settle(&st);
		stage_type(&st, plain ? "go on\n" : "go on\r");
		stage_wait_for(&st, "There.");
		assert_null(strstr(buf_z(&st.raw), "it ran"));
		if (plain) {
			stage_quit_lines(&st);
		} else {
			stage_settle(&st);
			stage_quit(&st);
		}
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, program_set_up, tmpdir_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_signal_ends_one_question_wherever_it_is),
		T(a_signal_ends_a_session_of_lines_wherever_it_is),
		T(a_session_of_lines_that_was_killed_is_gone_on_with),
		T(a_call_that_is_cut_while_it_is_written_does_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
