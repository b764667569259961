/* The scripted runner plays its jobs as the real one would, and checks that they are the right
 * ones. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/tools/tools.h"

static struct runner *start(const char *script)
{
	struct runner *r = NULL;
	struct err err = {0};

	if (runner_start_scripted(&r, str_of(script), &err))
		fail_msg("%s", err.text);
	return r;
}

static uint64_t begin(struct runner *r, const char *tool, const char *arguments)
{
	struct job j = {.tool = str_of(tool), .arguments = str_of(arguments)};
	struct err err = {0};
	uint64_t id = 0;

	if (runner_run(r, &j, &id, &err))
		fail_msg("%s", err.text);
	return id;
}

/* Waits for news; what runner_next() says of them. */
static int await(struct runner *r, struct job_news *n)
{
	struct pollfd fd = {.fd = runner_fd(r), .events = POLLIN};

	assert_int_equal(poll(&fd, 1, 10000), 1);
	return runner_next(r, n);
}

/* Plays the job to its end: what its pieces said, and the last news. */
static int play(struct runner *r, struct buf *pieces, struct job_news *n)
{
	int rc;

	while ((rc = await(r, n)) == 1 && n->kind == JOB_OUTPUT) {
		buf_adds(pieces, buf_str(&n->text));
		buf_addc(pieces, '|');
		job_news_release(n);
	}
	return rc;
}

static const struct {
	const char *step, *pieces, *text;
	enum tool_state state;
	int exit, signal;
} jobs[] = {
	{"{\"output\": \"a\\nb\"}", "a\nb|", "a\nb", TOOL_OK, -1, 0},
	{"{}", "", "(no output)", TOOL_OK, -1, 0},
	{"{\"exit\": 0}", "", "(no output)", TOOL_OK, 0, 0},
	{"{\"output\": \"no\\n\", \"exit\": 2}", "no\n|", "no\n[exit code 2]", TOOL_ERROR, 2,
	 0},
	{"{\"output\": \"no\", \"exit\": 2}", "no|", "no\n[exit code 2]", TOOL_ERROR, 2, 0},
	{"{\"exit\": 1}", "", "[exit code 1]", TOOL_ERROR, 1, 0},
	{"{\"signal\": 11}", "", "[killed by SIGSEGV]", TOOL_ERROR, -1, 11},
	{"{\"output\": \"error: gone\", \"state\": \"error\"}", "error: gone|", "error: gone",
	 TOOL_ERROR, -1, 0},
	{"{\"output\": \"error: late\", \"state\": \"timeout\"}", "error: late|", "error: late",
	 TOOL_TIMEOUT, -1, 0},
	{"{\"output\": \"aäöü\", \"chunk\": 4}", "aä|öü|", "aäöü", TOOL_OK, -1, 0},
	{"{\"output\": \"abcdefghi\", \"chunk\": 4, \"delay_ms\": 1}", "abcd|efgh|i|",
	 "abcdefghi", TOOL_OK, -1, 0},
};

static void a_job_prints_its_pieces_and_ends_as_the_step_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		struct runner *r = start(jobs[i].step);
		struct buf pieces = {0};
		struct job_news n = {0};
		uint64_t id = begin(r, "shell", "{}");

		assert_int_equal(play(r, &pieces, &n), 1);
		assert_string_equal(buf_z(&pieces), jobs[i].pieces);
		assert_string_equal(buf_z(&n.text), jobs[i].text);
		assert_int_equal(n.id, id);
		assert_int_equal(n.state, jobs[i].state);
		assert_int_equal(n.exit, jobs[i].exit);
		assert_int_equal(n.signal, jobs[i].signal);
		job_news_release(&n);
		assert_int_equal(runner_next(r, &n), 0);
		buf_release(&pieces);
		runner_close(r);
	}
}

static const struct {
	const char *step, *tool, *arguments;
	unsigned grade;
	const char *why; /* NULL: it is as expected */
} expected[] = {
	{"{\"expect\": {\"tool\": \"shell\"}}", "shell", "{}", 0, NULL},
	{"{\"expect\": {\"tool\": \"shell\"}}", "read_file", "{}", 0, "tool is 'read_file'"},
	{"{\"expect\": {\"command\": \"make\"}}", "shell", "{\"command\": \"make\"}", 0, NULL},
	{"{\"expect\": {\"command\": \"make\"}}", "shell", "{\"command\": \"make x\"}", 0,
	 "command is 'make x', expected 'make'"},
	{"{\"expect\": {\"arguments\": \"src/\"}}", "list_files", "{\"path\": \"src/\"}", 0,
	 NULL},
	{"{\"expect\": {\"arguments\": \"src/\"}}", "list_files", "{}", 0, "arguments is '{}'"},
	{"{\"expect\": {\"grade\": \"read\"}}", "shell", "{}", GRADE_READ, NULL},
	{"{\"expect\": {\"grade\": \"write+net\"}}", "shell", "{}", GRADE_WRITE | GRADE_NET,
	 NULL},
	{"{\"expect\": {\"grade\": \"read\"}}", "shell", "{}", GRADE_WRITE, "grade is 'write'"},
	{"# nothing", "shell", "{}", 0, "no step is left for shell"},
};

static void a_job_that_is_not_expected_is_refused_with_what_was_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct runner *r = start(expected[i].step);
		struct job j = {.tool = str_of(expected[i].tool),
				.arguments = str_of(expected[i].arguments),
				.grade = expected[i].grade};
		struct err err = {0};
		uint64_t id = 0;
		int rc = runner_run(r, &j, &id, &err);

		assert_int_equal(rc, expected[i].why ? ERR_USAGE : 0);
		if (expected[i].why && !strstr(err.text, expected[i].why))
			fail_msg("'%s' lacks '%s'", err.text, expected[i].why);
		runner_close(r);
	}
}

static void a_stopped_job_ends_with_what_it_printed(void **state)
{
	struct runner *r = start("{\"output\": \"abcdefgh\", \"chunk\": 4, \"delay_ms\": 20, "
				 "\"stubborn_ms\": 20}\n{}");
	struct job_news n = {0};
	uint64_t id = begin(r, "shell", "{}");

	(void)state;
	assert_int_equal(await(r, &n), 1);
	job_news_release(&n);
	runner_stop(r, id + 1);
	runner_stop(r, id);
	assert_int_equal(runner_next(r, &n), 0);
	assert_int_equal(await(r, &n), 1);
	assert_int_equal(n.kind, JOB_DONE);
	assert_int_equal(n.state, TOOL_STOPPED);
	assert_string_equal(buf_z(&n.text), "abcd");
	job_news_release(&n);
	begin(r, "shell", "{}");
	runner_close(r);
}

static void a_stubborn_job_ends_at_once_when_it_is_stopped_again(void **state)
{
	struct runner *r = start("{\"delay_ms\": 3600000, \"stubborn_ms\": 3600000}");
	struct job_news n = {0};
	uint64_t id = begin(r, "shell", "{}");

	(void)state;
	runner_stop(r, id);
	assert_int_equal(runner_next(r, &n), 0);
	runner_stop(r, id);
	assert_int_equal(await(r, &n), 1);
	assert_int_equal(n.state, TOOL_STOPPED);
	job_news_release(&n);
	runner_close(r);
}

static void one_job_runs_at_a_time(void **state)
{
	struct runner *r = start("{}\n{}");
	struct job j = {.tool = STR_LIT("shell"), .arguments = STR_LIT("{}")};
	struct err err = {0};
	uint64_t id;

	(void)state;
	begin(r, "shell", "{}");
	assert_int_equal(runner_run(r, &j, &id, &err), ERR_USAGE);
	runner_close(r);
}

static void a_runner_that_died_stays_dead_until_it_is_started_again(void **state)
{
	struct runner *r = start("{\"output\": \"a\", \"die\": true}\n{\"output\": \"b\"}");
	struct job j = {.tool = STR_LIT("shell"), .arguments = STR_LIT("{}")};
	struct buf pieces = {0};
	struct job_news n = {0};
	struct err err = {0};
	uint64_t id = begin(r, "shell", "{}");

	(void)state;
	assert_int_equal(play(r, &pieces, &n), ERR_FAILED);
	assert_string_equal(buf_z(&pieces), "a|");
	assert_int_equal(await(r, &n), ERR_FAILED);
	runner_stop(r, id);
	assert_int_equal(runner_run(r, &j, &id, &err), ERR_FAILED);
	assert_int_equal(runner_restart(r, &err), 0);
	begin(r, "shell", "{}");
	assert_int_equal(play(r, &pieces, &n), 1);
	assert_string_equal(buf_z(&n.text), "b");
	job_news_release(&n);
	buf_release(&pieces);
	runner_close(r);
}

static const struct {
	const char *script, *why;
} wrong[] = {
	{"{}\n\n{\"outptu\": \"\"}", "line 3: \"outptu\" is not known"},
	{"{\"expect\": {\"name\": \"\"}}", "line 1: \"name\" is not known"},
	{"{\"expect\": 1}", "line 1: \"expect\" is a number, expected an object"},
	{"{\"output\": 1}", "line 1: \"output\" is a number, expected a string"},
	{"{\"exit\": 256}", "line 1: \"exit\" is 256, expected 0 to 255"},
	{"{\"exit\": \"1\"}", "line 1: \"exit\" is a string, expected a whole number"},
	{"{\"state\": \"lost\"}", "expected ok, error or timeout"},
	{"{\"die\": 1}", "expected true or false"},
	{"[]", "expected an object"},
	{"{", "line 1: "},
	{"{\"exit\": 1, \"exit\": 2}", "line 1: "},
};

static void a_wrong_script_is_refused_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct runner *r = NULL;
		struct err err = {0};

		assert_int_equal(runner_start_scripted(&r, str_of(wrong[i].script), &err),
				 ERR_USAGE);
		assert_null(r);
		if (!strstr(err.text, wrong[i].why))
			fail_msg("'%s' lacks '%s'", err.text, wrong[i].why);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_prints_its_pieces_and_ends_as_the_step_says),
		cmocka_unit_test(a_job_that_is_not_expected_is_refused_with_what_was_found),
		cmocka_unit_test(a_stopped_job_ends_with_what_it_printed),
		cmocka_unit_test(a_stubborn_job_ends_at_once_when_it_is_stopped_again),
		cmocka_unit_test(one_job_runs_at_a_time),
		cmocka_unit_test(a_runner_that_died_stays_dead_until_it_is_started_again),
		cmocka_unit_test(a_wrong_script_is_refused_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
