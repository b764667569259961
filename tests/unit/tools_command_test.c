/* Commands: what they are given, what is told of them, and that nothing outlives them. */
#include "tests/support/shared_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/tools.h"
#include "engine/base/clock.h"
#include "tests/support/jobs.h"

static void must(int rc)
{
	assert_int_equal(rc, 0);
}

/* ---- commands ---- */

static void a_command_is_told_as_it_ended(void **state)
{
	static const struct jobs_end ends[] = {
		{"printf '\\033[31mred\\033[0m\\r\\n'", "red\n", TOOL_OK, 0, 0},
		{"no-such-program 2>/dev/null", "[exit code 127]", TOOL_ERROR, 127, 0},
		{"tty", "not a tty\n[exit code 1]", TOOL_ERROR, 1, 0},
		{"kill -TERM $PPID; kill -HUP $PPID; echo on", "on\n", TOOL_OK, 0, 0},
	};
	struct jobs *s = *state;

	jobs_expect_usual_ends(s);
	jobs_expect_ends(s, ends, sizeof(ends) / sizeof(*ends));
}

static void a_command_inherits_no_descriptor_and_little_else(void **state)
{
	struct jobs *s = *state;
	const struct job_news *n;

	setenv("SECRET_TOKEN", "hunter2", 1);
	jobs_start(s->r ? (runner_close(s->r), s) : s); /* one that was started with it */
	unsetenv("SECRET_TOKEN");
	jobs_expect(jobs_shell(s, "ls /proc/$$/fd; true"), TOOL_OK, "0\n1\n2\n");
	n = jobs_shell(s, "env");
	assert_null(strstr(buf_z(&n->text), "hunter2"));
	HAS(buf_z(&n->text), "TERM=dumb\n");
	jobs_expect(jobs_shell(s, "ulimit -c; ulimit -n; grep -c . /proc/self/oom_score_adj; "
				  "cat /proc/self/oom_score_adj; ulimit -f"),
		    TOOL_OK, "0\n4096\n1\n800\n1048576\n");
}

static void a_file_of_a_command_has_a_limit(void **state)
{
	struct jobs *s = *state;
	struct stat st;

	HAS(buf_z(&jobs_shell(s,
			      "truncate -s 1073741824 f && echo fits; truncate -s 1073741825 f")
			   ->text),
	    "fits\n");
	must(stat(tmpdir_file(&s->d, "ws/f"), &st));
	assert_int_equal(st.st_size, 1073741824);
}

static void output_without_end_is_bounded_and_told_slowly(void **state)
{
	struct jobs *s = *state;
	const struct job_news *n;
	size_t outputs;
	int64_t began = clock_ms();
	struct stat st;

	jobs_begin_shell(s, "yes 0123456789 | head -c 80000000", 0);
	n = jobs_finish(s, &outputs);
	assert_int_equal(n->state, TOOL_OK);
	assert_int_equal(n->bytes, 80000000);
	assert_true(outputs <= (size_t)(clock_ms() - began) / 50 + 1);
	assert_true(n->text.len < (33u << 10));
	HAS(buf_z(&n->text), "left out; read_file OUT:1 has the first 64 MiB]");
	assert_true(n->cut);
	assert_string_equal(buf_z(&n->spill), "OUT:1");
	must(stat(tmpdir_file(&s->d, "spills/talk/1"), &st));
	assert_int_equal(st.st_size, 64 << 20);
	assert_int_equal(st.st_mode & 0777, 0600);
	jobs_begin(s, "read_file", "{\"path\": \"OUT:1\", \"limit\": 1}", 0);
	HAS(buf_z(&jobs_finish(s, NULL)->text), "0123456789\n[lines 1-1 of ");
	/* What was not cut leaves no file. */
	n = jobs_shell(s, "echo short");
	assert_false(n->cut);
	assert_int_equal(n->spill.len, 0);
	assert_int_equal(access(tmpdir_file(&s->d, "spills/talk/2"), F_OK), -1);
}

static const struct job_news *run_in(struct jobs *s, const char *folder, const char *tool,
				     const char *args)
{
	struct job j = {.tool = str_of(tool),
			.arguments = str_of(args),
			.limit = 2048,
			.spill_folder = str_of(folder)};
	struct err err = {0};
	uint64_t id;

	must(runner_run(s->r, &j, &id, &err));
	return jobs_finish(s, NULL);
}

static const char *run_for(struct jobs *s, const char *folder, const char *tool,
			   const char *args)
{
	return buf_z(&run_in(s, folder, tool, args)->text);
}

static void what_is_cut_and_not_kept_is_told_as_cut(void **state)
{
	struct jobs *s = *state;
	const struct job_news *n = run_in(s, "", "shell", "{\"command\": \"yes | head -9999\"}");

	HAS(buf_z(&n->text), " left out]");
	assert_true(n->cut);
	assert_int_equal(n->spill.len, 0);
}

static void each_conversation_has_its_own_outputs(void **state)
{
	struct jobs *s = *state;
	const char *root;
	struct err err;

	for (int i = 0; i < 2; i++) {
		static const char *const folders[] = {"one", "two"};
		char args[100];

		snprintf(args, sizeof(args), "{\"command\": \"yes %s | head -9999\"}",
			 folders[i]);
		HAS(run_for(s, folders[i], "shell", args), "whole output: read_file OUT:1]");
	}
	HAS(run_for(s, "one", "read_file", "{\"path\": \"OUT:1\", \"limit\": 1}"), "one\n[");
	HAS(run_for(s, "two", "read_file", "{\"path\": \"OUT:1\", \"limit\": 1}"), "two\n[");
	HAS(run_for(s, "", "read_file", "{\"path\": \"OUT:1\"}"), "error: ");
	HAS(run_for(s, "none", "read_file", "{\"path\": \"OUT:1\"}"), "error: ");
	/* Where nothing is kept, no folder stays. */
	run_for(s, "none", "shell", "{\"command\": \"echo short\"}");
	assert_int_equal(access(tmpdir_file(&s->d, "spills/none"), F_OK), -1);
	root = strdup(tmpdir_file(&s->d, "spills"));
	assert_non_null(root);
	must(tools_forget_outputs(root, "one", &err));
	must(tools_forget_outputs(root, "one", &err));
	/* What is no folder of theirs is left alone. */
	must(tools_forget_outputs(root, "../spills", &err));
	must(tools_forget_outputs(root, "two/../two", &err));
	assert_int_equal(access(tmpdir_file(&s->d, "spills/one"), F_OK), -1);
	must(access(tmpdir_file(&s->d, "spills/two/1"), F_OK));
	free((char *)root);
}

static void a_fork_has_the_outputs_that_it_inherits_until_the_last_owner_goes(void **state)
{
	struct jobs *s = *state;
	char root[300];
	struct err err;

	snprintf(root, sizeof(root), "%s/spills", s->d.path);
	for (int i = 0; i < 2; i++)
		HAS(run_for(s, "one", "shell", "{\"command\": \"yes one | head -9999\"}"),
		    "whole output: read_file OUT:");
	must(tools_share_output(root, "one", "fork", STR_LIT("OUT:1"), &err));
	must(tools_share_output(root, "one", "fork", STR_LIT("OUT:1"), &err));
	/* What is not there, or no name of one, makes nothing. */
	must(tools_share_output(root, "one", "other", STR_LIT("OUT:9"), &err));
	must(tools_share_output(root, "one", "other", STR_LIT("../one/1"), &err));
	must(tools_share_output(root, "none", "other", STR_LIT("OUT:1"), &err));
	must(tools_share_output(root, "one", "../other", STR_LIT("OUT:1"), &err));
	assert_int_equal(access(tmpdir_file(&s->d, "spills/other"), F_OK), -1);
	assert_int_equal(access(tmpdir_file(&s->d, "other"), F_OK), -1);
	must(tools_forget_outputs(root, "one", &err));
	HAS(run_for(s, "fork", "read_file", "{\"path\": \"OUT:1\", \"limit\": 1}"), "one\n[");
	HAS(run_for(s, "fork", "read_file", "{\"path\": \"OUT:2\", \"limit\": 1}"), "error: ");
	/* Its own come behind them. */
	HAS(run_for(s, "fork", "shell", "{\"command\": \"yes two | head -9999\"}"),
	    "whole output: read_file OUT:2");
	must(tools_forget_outputs(root, "fork", &err));
	assert_int_equal(access(tmpdir_file(&s->d, "spills/fork"), F_OK), -1);
}

static void what_it_prints_is_told_while_it_runs(void **state)
{
	struct jobs *s = *state;
	struct buf told = {0};
	struct job_news n = {0};
	bool waits = false;

	must(mkfifo(tmpdir_file(&s->d, "ws/go"), 0600));
	jobs_begin_shell(s, "echo one; echo two; cat go; echo three", 0);
	do {
		job_news_release(&n);
		assert_true(jobs_next(s, &n));
		if (n.kind == JOB_OUTPUT)
			buf_adds(&told, buf_str(&n.text));
		if (!waits && strcmp(buf_z(&told), "one\ntwo\n") == 0) {
			int fd = open(tmpdir_file(&s->d, "ws/go"), O_WRONLY | O_CLOEXEC);

			waits = true;
			close(fd);
		}
	} while (n.kind != JOB_DONE);
	assert_true(waits);
	assert_string_equal(buf_z(&n.text), "one\ntwo\nthree\n");
	assert_int_equal(n.lines, 3);
	job_news_release(&n);
	buf_release(&told);
}

/* ---- ends ---- */

static void a_command_is_timed_out(void **state)
{
	struct jobs *s = *state;
	int64_t began = clock_ms();

	jobs_begin_shell(s, "echo begun; sleep 1000", 1000);
	jobs_expect(jobs_finish(s, NULL), TOOL_TIMEOUT,
		    "error: timed out after 1 seconds\nbegun\n");
	assert_true(clock_ms() - began >= 1000);
}

static void a_model_says_how_long_within_bounds(void **state)
{
	struct jobs *s = *state;
	struct buf args = {0};

	jobs_begin(s, "shell", "{\"command\": \"sleep 100\", \"timeout\": 1}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_TIMEOUT, "error: timed out after 1 seconds");
	jobs_begin(s, "shell", "{\"command\": \"sleep 100\", \"timeout\": -5}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_TIMEOUT, "error: timed out after 1 seconds");
	jobs_begin(s, "shell",
		   "{\"command\": \"echo a\", \"timeout\": 99999999999999999999999}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_OK,
		    "a\n[the timeout was 600 seconds, the longest there is]");
	buf_addz(&args, "{\"command\": \"true ");
	while (args.len < 32768 + 13)
		buf_addc(&args, 'x');
	buf_addz(&args, "\"}");
	jobs_begin(s, "shell", buf_z(&args), 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_OK, "(no output)");
	buf_remove(&args, args.len - 3, 1);
	buf_truncate(&args, args.len - 2);
	buf_addz(&args, "xx\"}");
	jobs_begin(s, "shell", buf_z(&args), 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_ERROR,
		    "error: not run: the command has 32769 bytes; 32768 is the most");
	buf_release(&args);
	jobs_begin(s, "shell", "{\"command\": \"true\\u0000false\"}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_ERROR, "error: not run: the command has a NUL in it");
}

static void stopping_is_asking_first(void **state)
{
	struct jobs *s = *state;
	uint64_t id = jobs_begin_shell(s,
				       "trap 'echo put away; exit 5' TERM; echo begun; "
				       "while :; do sleep 0.05; done",
				       0);
	const struct job_news *n;

	jobs_wait_for_output(s);
	runner_stop(s->r, id + 1);
	runner_stop(s->r, id);
	n = jobs_finish(s, NULL);
	HAS(buf_z(&n->text), "begun\n");
	HAS(buf_z(&n->text), "put away\n[stopped by the user]");
	assert_int_equal(n->state, TOOL_STOPPED);
	assert_int_equal(n->exit, 5);
	runner_stop(s->r, id); /* it has ended: nothing happens */
	jobs_expect(jobs_shell(s, "echo on"), TOOL_OK, "on\n");
}

static void who_does_not_hear_is_killed(void **state)
{
	struct jobs *s = *state;
	const char *stubborn =
		"trap '' TERM; echo begun; exec -a MARK bash -c 'trap \"\" TERM; "
		"while :; do sleep 0.05; done'";
	int64_t began;
	uint64_t id;

	id = jobs_begin_shell(s, jobs_marked(s, stubborn), 0);
	jobs_wait_for_output(s);
	began = clock_ms();
	runner_stop(s->r, id);
	jobs_expect(jobs_finish(s, NULL), TOOL_STOPPED, "begun\n[stopped by the user]");
	assert_true(clock_ms() - began >= 1900);
	assert_int_equal(jobs_count_marked(s), 0);
	/* Asked twice: at once. */
	id = jobs_begin_shell(s, jobs_marked(s, stubborn), 0);
	jobs_wait_for_output(s);
	began = clock_ms();
	runner_stop(s->r, id);
	runner_stop(s->r, id);
	jobs_expect(jobs_finish(s, NULL), TOOL_STOPPED, "begun\n[stopped by the user]");
	assert_true(clock_ms() - began < 1900);
}

static void nothing_outlives_its_command(void **state)
{
	static const char *const commands[] = {
		"(exec -a MARK sleep 1000) & echo hi; sleep 0.2",
		"(setsid bash -c 'exec -a MARK sleep 1000' &); echo hi; sleep 0.2",
		"setsid bash -c 'setsid bash -c \"trap true TERM; exec -a MARK sleep 1000\" & "
		"exit' & "
		"echo hi; sleep 0.2",
		"nohup bash -c 'trap \"\" TERM HUP; exec -a MARK sleep 1000' >/dev/null 2>&1 & "
		"echo hi; sleep 0.2",
		"(bash -c 'kill -STOP $$; exec -a MARK sleep 1000' &); echo hi; sleep 0.2",
	};
	struct jobs *s = *state;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct job_news *n;
		int64_t began = clock_ms();

		n = jobs_shell(s, jobs_marked(s, commands[i]));
		HAS(buf_z(&n->text), "hi\n[");
		HAS(buf_z(&n->text), " outlive a command]");
		assert_int_equal(n->state, TOOL_OK);
		assert_true(clock_ms() - began < 8000);
		assert_int_equal(jobs_count_marked(s), 0);
	}
}

static void many_that_fork_are_all_ended(void **state)
{
	struct jobs *s = *state;
	const char *command;

	/* Each makes another and goes; two hundred at a time. */
	command = jobs_marked(
		s, "f() { exec -a MARK bash -c 'while :; do (sleep 0.01; :) & wait; done'; }; "
		   "for i in {1..100}; do f & done; sleep 0.3; echo hi");
	HAS(buf_z(&jobs_shell(s, command)->text), "hi\n[");
	assert_int_equal(jobs_count_marked(s), 0);
}

#define WITH_RUNNER(f) cmocka_unit_test_setup_teardown(f, jobs_set_up, jobs_tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_RUNNER(a_command_is_told_as_it_ended),
		WITH_RUNNER(a_command_inherits_no_descriptor_and_little_else),
		WITH_RUNNER(a_file_of_a_command_has_a_limit),
		WITH_RUNNER(output_without_end_is_bounded_and_told_slowly),
		WITH_RUNNER(what_is_cut_and_not_kept_is_told_as_cut),
		WITH_RUNNER(each_conversation_has_its_own_outputs),
		WITH_RUNNER(a_fork_has_the_outputs_that_it_inherits_until_the_last_owner_goes),
		WITH_RUNNER(what_it_prints_is_told_while_it_runs),
		WITH_RUNNER(a_command_is_timed_out),
		WITH_RUNNER(a_model_says_how_long_within_bounds),
		WITH_RUNNER(stopping_is_asking_first),
		WITH_RUNNER(who_does_not_hear_is_killed),
		WITH_RUNNER(nothing_outlives_its_command),
		WITH_RUNNER(many_that_fork_are_all_ended),
	};

	(void)argc;
	if (runner_is_called(argv))
		return runner_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
