/* The process that runs tools: what it gives of files, what it changes, and what it may. */
#include "tests/support/shared_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/tools/confine.h"
#include "app/tools/tools.h"
#include "tests/support/jobs.h"

static void must(int rc)
{
	assert_int_equal(rc, 0);
}

/* ---- files ---- */

static void files_are_read_by_another_process(void **state)
{
	struct jobs *s = *state;
	const struct job_news *n;

	tmpdir_write_text(&s->d, "ws/a", "one\ntwo\n");
	jobs_begin(s, "read_file", "{\"path\": \"a\"}", 0);
	n = jobs_finish(s, NULL);
	jobs_expect(n, TOOL_OK, "one\ntwo\n");
	HAS(buf_z(&n->info), "\"hash\"");
	assert_int_equal(n->exit, -1);
	jobs_begin(s, "list_files", "{}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_OK, "a");
	jobs_begin(s, "search_files", "{\"pattern\": \"w\"}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_OK, "a:2:two");
	jobs_begin(s, "read_file", "{\"path\": \"/etc/passwd\"}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_ERROR,
		    "error: /etc/passwd leads outside the workspace");
	jobs_begin(s, "read_file", "{\"path\": \"a\", \"path\": \"b\"}", 0);
	HAS(buf_z(&jobs_finish(s, NULL)->text), "duplicate");
	jobs_begin(s, "fly", "{}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_ERROR,
		    "error: not run: there is no such tool here");
}

static void a_file_outside_is_read_where_that_was_allowed(void **state)
{
	struct jobs *s = *state;
	struct job j = {.tool = STR_LIT("read_file"), .outside = true};
	struct buf args = {0};
	struct err err = {0};
	uint64_t id;

	tmpdir_write_text(&s->d, "out", "outside");
	buf_addf(&args, "{\"path\": \"%s/out\"}", s->d.path);
	j.arguments = buf_str(&args);
	must(runner_run(s->r, &j, &id, &err));
	jobs_expect(jobs_finish(s, NULL), TOOL_OK, "outside");
	buf_release(&args);
}

static void a_tool_that_takes_too_long_is_ended(void **state)
{
	struct jobs *s = *state;
	struct buf text = {0};

	/* A line on which the pattern tries for long, again and again. */
	for (int i = 0; i < 200000; i++)
		buf_addz(&text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac\n");
	tmpdir_write(&s->d, "ws/a", text.data, text.len);
	jobs_begin(s, "search_files", "{\"pattern\": \"^(a|a?)+$\"}", 1000);
	jobs_expect(jobs_finish(s, NULL), TOOL_TIMEOUT, "error: timed out after 1 seconds");
	jobs_begin(s, "search_files", "{\"pattern\": \"^(a|a?)+$\"}", 0);
	runner_stop(s->r, 2);
	jobs_expect(jobs_finish(s, NULL), TOOL_STOPPED, "[stopped by the user]");
	jobs_begin(s, "list_files", "{}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_OK, "a");
	buf_release(&text);
}

static void a_workspace_that_was_replaced_runs_nothing(void **state)
{
	struct jobs *s = *state;
	char from[300], to[300];

	snprintf(from, sizeof(from), "%s/ws", s->d.path);
	snprintf(to, sizeof(to), "%s/moved", s->d.path);
	must(rename(from, to));
	must(symlink("/etc", from));
	jobs_begin(s, "list_files", "{}", 0);
	jobs_expect(jobs_finish(s, NULL), TOOL_ERROR,
		    "error: not run: the workspace was replaced");
	must(unlink(from));
}

/* A change's job; what the preparation gave is its plan. */
static const struct job_news *change(struct jobs *s, enum job_phase phase, struct str plan,
				     const char *args)
{
	struct job j = {.tool = STR_LIT("edit_file"),
			.arguments = str_of(args),
			.phase = phase,
			.plan = plan,
			.grade = GRADE_WRITE};
	struct err err = {0};
	uint64_t id;

	must(runner_run(s->r, &j, &id, &err));
	/* A change that is begun is not stopped: it is whole, or was refused. */
	if (phase == JOB_APPLY)
		runner_stop(s->r, id);
	return jobs_finish(s, NULL);
}

static void expect_file(const struct jobs *s, const char *name, const char *text)
{
	struct buf now = {0};

	assert_true(whole_file(tmpdir_file(&s->d, name), &now));
	assert_string_equal(buf_z(&now), text);
	buf_release(&now);
}

static void a_file_is_changed_by_two_jobs(void **state)
{
	const char *args = "{\"path\": \"a\", \"old\": \"two\", \"new\": \"2\"}";
	struct job j = {.tool = STR_LIT("edit_file"), .arguments = str_of(args)};
	struct jobs *s = *state;
	const struct job_news *n;
	struct buf plan = {0};
	struct file_plan p;
	struct err err = {0};
	uint64_t id;

	tmpdir_write_text(&s->d, "ws/a", "one\ntwo\n");
	n = change(s, JOB_PREPARE, (struct str){"", 0}, args);
	jobs_expect(n, TOOL_OK, "replaced 1 occurrence in a");
	assert_string_equal(buf_z(&n->diff), "@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
	assert_string_equal(buf_z(&n->before), "one\ntwo\n");
	assert_true(file_plan_take(buf_str(&n->plan), &p));
	buf_adds(&plan, buf_str(&n->plan));
	expect_file(s, "ws/a", "one\ntwo\n");
	/* Not at once, and not where nothing may be written. */
	must(runner_run(s->r, &j, &id, &err));
	jobs_expect(jobs_finish(s, NULL), TOOL_ERROR,
		    "error: not run: there is no such tool here");
	j.phase = JOB_APPLY;
	j.plan = buf_str(&plan);
	must(runner_run(s->r, &j, &id, &err));
	jobs_expect(jobs_finish(s, NULL), TOOL_ERROR, "error: not run: nothing may be written");
	expect_file(s, "ws/a", "one\ntwo\n");
	n = change(s, JOB_APPLY, buf_str(&plan), args);
	jobs_expect(n, TOOL_OK, "replaced 1 occurrence in a");
	assert_int_equal(n->plan.len + n->diff.len + n->before.len, 0);
	expect_file(s, "ws/a", "one\n2\n");
	jobs_expect(change(s, JOB_APPLY, buf_str(&plan), args), TOOL_ERROR,
		    "error: the text was not found in a");
	buf_release(&plan);
}

/* As large as it may be: what it had goes to the program. */
static void a_large_file_is_changed_too(void **state)
{
	const char *args = "{\"path\": \"a\", \"old\": \"end\", \"new\": \"END\"}";
	struct jobs *s = *state;
	const struct job_news *n;
	struct buf text = {0}, plan = {0}, now = {0};

	while (text.len < FILE_CHANGE_BYTES - 4)
		buf_addz(&text, "x\xff\n\n");
	buf_addz(&text, "end\n");
	tmpdir_write(&s->d, "ws/a", text.data, text.len);
	n = change(s, JOB_PREPARE, (struct str){"", 0}, args);
	jobs_expect(n, TOOL_OK, "replaced 1 occurrence in a");
	assert_true(str_eq(buf_str(&n->before), buf_str(&text)));
	buf_adds(&plan, buf_str(&n->plan));
	jobs_expect(change(s, JOB_APPLY, buf_str(&plan), args), TOOL_OK,
		    "replaced 1 occurrence in a");
	memcpy(text.data + text.len - 4, "END", 3);
	assert_true(whole_file(tmpdir_file(&s->d, "ws/a"), &now));
	assert_true(str_eq(buf_str(&now), buf_str(&text)));
	buf_release(&text);
	buf_release(&plan);
	buf_release(&now);
}

/* ---- confinement ---- */

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int confined(const struct jobs *s, bool outside)
{
	struct workspace w;
	struct err err;

	if (workspace_init(&w,
			   &(struct workspace_config){.dir = str_of(tmpdir_file(&s->d, "ws"))},
			   &err) != 0 ||
	    !confine_to_reading(&w, -1, outside))
		return 100;
	return (opens(tmpdir_file(&s->d, "ws/a"), O_RDONLY) ? 1 : 0) +
	       (opens(tmpdir_file(&s->d, "ws/a"), O_WRONLY) ? 2 : 0) +
	       (opens(tmpdir_file(&s->d, "ws/new"), O_WRONLY | O_CREAT) ? 4 : 0) +
	       (opens(tmpdir_file(&s->d, "out"), O_RDONLY) ? 8 : 0) +
	       (opens("/usr/bin/env", O_RDONLY) ? 16 : 0) +
	       (opens("/etc/passwd", O_RDONLY) ? 32 : 0) +
	       (rename(tmpdir_file(&s->d, "ws/a"), tmpdir_file(&s->d, "ws/b")) == 0 ? 64 : 0) +
	       (tools_landlock() >= 3 && truncate(tmpdir_file(&s->d, "out"), 0) == 0 ? 128 : 0);
}

static void even_a_tool_gone_wrong_reads_only_what_it_may(void **state)
{
	struct jobs *s = *state;

	if (tools_landlock() < 1)
		skip();
	tmpdir_write_text(&s->d, "ws/a", "a");
	tmpdir_write_text(&s->d, "out", "a");
	for (int outside = 0; outside < 2; outside++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(confined(s, outside));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), outside ? 1 + 8 + 16 + 32 : 1 + 16);
	}
}

static int confined_to_writing(const struct jobs *s)
{
	struct workspace_more more = {str_of(tmpdir_file(&s->d, "ro")), true};
	struct workspace w;
	struct err err;

	if (workspace_init(&w,
			   &(struct workspace_config){.dir = str_of(tmpdir_file(&s->d, "ws")),
						      .more = &more,
						      .n_more = 1},
			   &err) != 0 ||
	    !confine_to_writing(&w))
		return 100;
	return (opens(tmpdir_file(&s->d, "ws/a"), O_WRONLY) ? 1 : 0) +
	       (opens(tmpdir_file(&s->d, "ws/new"), O_WRONLY | O_CREAT) ? 2 : 0) +
	       (mkdir(tmpdir_file(&s->d, "ws/dir"), 0700) == 0 ? 4 : 0) +
	       (opens(tmpdir_file(&s->d, "ro/a"), O_RDONLY) ? 8 : 0) +
	       (opens(tmpdir_file(&s->d, "ro/a"), O_WRONLY) ? 16 : 0) +
	       (opens(tmpdir_file(&s->d, "out"), O_RDONLY) ? 32 : 0) +
	       (opens(tmpdir_file(&s->d, "out"), O_WRONLY) ? 64 : 0) +
	       (opens(tmpdir_file(&s->d, "new"), O_WRONLY | O_CREAT) ? 64 : 0) +
	       (rename(tmpdir_file(&s->d, "ws/a"), tmpdir_file(&s->d, "a")) == 0 ? 64 : 0) +
	       (symlink("/etc", tmpdir_file(&s->d, "ws/link")) == 0 ? 64 : 0);
}

static void one_gone_wrong_writes_only_in_the_workspace(void **state)
{
	struct jobs *s = *state;
	int status;
	pid_t pid;

	if (tools_landlock() < 1)
		skip();
	must(mkdir(tmpdir_file(&s->d, "ro"), 0700));
	tmpdir_write_text(&s->d, "ws/a", "a");
	tmpdir_write_text(&s->d, "ro/a", "a");
	tmpdir_write_text(&s->d, "out", "a");
	pid = fork();
	if (pid == 0)
		_exit(confined_to_writing(s));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1 + 2 + 4 + 8);
}

/* ---- the process ---- */

static void without_a_sandbox_no_command_runs(void **state)
{
	struct jobs *s = *state;

	runner_close(s->r);
	s->sandbox = SANDBOX_NONE;
	jobs_start(s);
	jobs_expect(jobs_shell(s, "touch made"), TOOL_ERROR,
		    "error: not run: there is no such tool here");
	assert_int_equal(access(tmpdir_file(&s->d, "ws/made"), F_OK), -1);
}

static void jobs_run_one_at_a_time(void **state)
{
	struct jobs *s = *state;
	struct job j = {.tool = STR_LIT("list_files"), .arguments = STR_LIT("{}")};
	struct err err = {0};
	uint64_t id = jobs_begin_shell(s, "sleep 1000", 0), other;

	assert_int_equal(runner_run(s->r, &j, &other, &err), ERR_USAGE);
	runner_stop(s->r, id);
	assert_int_equal(jobs_finish(s, NULL)->state, TOOL_STOPPED);
}

static void many_jobs_leave_no_descriptor(void **state)
{
	const char *count = "ls /proc/$(cut -d' ' -f4 /proc/$PPID/stat)/fd | wc -l";
	struct jobs *s = *state;
	char first[16];

	tmpdir_write_text(&s->d, "ws/a", "x\n");
	snprintf(first, sizeof(first), "%s", buf_z(&jobs_shell(s, count)->text));
	for (int i = 0; i < 8; i++) {
		jobs_begin(s, "read_file", "{\"path\": \"a\"}", 0);
		assert_int_equal(jobs_finish(s, NULL)->state, TOOL_OK);
		jobs_begin(s, "search_files", "{\"pattern\": \"x\"}", 0);
		assert_int_equal(jobs_finish(s, NULL)->state, TOOL_OK);
		assert_int_equal(jobs_shell(s, "true")->state, TOOL_OK);
	}
	assert_string_equal(buf_z(&jobs_shell(s, count)->text), first);
}

static void a_workspace_that_cannot_be_one_is_told(void **state)
{
	struct runner_config c = {.workspace.dir = STR_LIT("/nowhere/at/all")};
	struct runner *r = NULL;
	struct err err = {0};

	(void)state;
	if (runner_start(&r, &c, &err) != ERR_USAGE)
		fail_msg("%s", err.text);
	HAS(err.text, "/nowhere/at/all: cannot be the workspace: No such file");
	assert_null(r);
}

#define WITH_RUNNER(f) cmocka_unit_test_setup_teardown(f, jobs_set_up, jobs_tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_RUNNER(files_are_read_by_another_process),
		WITH_RUNNER(a_file_outside_is_read_where_that_was_allowed),
		WITH_RUNNER(a_tool_that_takes_too_long_is_ended),
		WITH_RUNNER(a_workspace_that_was_replaced_runs_nothing),
		WITH_RUNNER(a_file_is_changed_by_two_jobs),
		WITH_RUNNER(a_large_file_is_changed_too),
		WITH_RUNNER(even_a_tool_gone_wrong_reads_only_what_it_may),
		WITH_RUNNER(one_gone_wrong_writes_only_in_the_workspace),
		WITH_RUNNER(without_a_sandbox_no_command_runs),
		WITH_RUNNER(jobs_run_one_at_a_time),
		WITH_RUNNER(many_jobs_leave_no_descriptor),
		cmocka_unit_test(a_workspace_that_cannot_be_one_is_told),
	};

	(void)argc;
	if (runner_is_called(argv))
		return runner_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
