/* The process that runs tools: what it gives, what it ends, and what happens when it is ended.
 */
#include "tests/support/shared_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/tools/confine.h"
#include "app/tools/tools.h"
#include "engine/base/clock.h"
#include "engine/base/jsonw.h"
#include "tests/support/tmpdir.h"

#define DOTS "\xE2\x80\xA6"

/* With this in its environment the test's own runner is as the program's is. */
#define LIKE_USERS "DSV4CHAT_TEST_RUNNER_LIKE_USERS"

struct stage {
	struct tmpdir d;
	struct runner *r;
	char mark[64]; /* a name for processes: no one else's has it */
};

static void must(int rc)
{
	assert_int_equal(rc, 0);
}

static int start_runner(struct stage *s, struct err *err)
{
	char ws[300], spills[300];
	struct runner_config c = {0};

	snprintf(ws, sizeof(ws), "%s/ws", s->d.path);
	snprintf(spills, sizeof(spills), "%s/spills", s->d.path);
	c.workspace.dir = str_of(ws);
	c.spill_root = str_of(spills);
	return runner_start(&s->r, &c, err);
}

static void start(struct stage *s)
{
	struct err err = {0};

	if (start_runner(s, &err) != 0)
		fail_msg("%s", err.text);
}

static int begin(void **state)
{
	static unsigned n;
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	tmpdir_init(&s->d);
	must(mkdir(tmpdir_file(&s->d, "ws"), 0700));
	snprintf(s->mark, sizeof(s->mark), "marked-%d-%u", (int)getpid(), ++n);
	start(s);
	*state = s;
	return 0;
}

/* Processes whose command line begins with the mark. */
static size_t count_marked(const struct stage *s)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char path[300], text[128] = "";
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) > 0)
			n += strncmp(text, s->mark, strlen(s->mark)) == 0;
		close(fd);
	}
	closedir(dir);
	return n;
}

/* Nobody waits longer than it takes. */
static void expect_marked(const struct stage *s, size_t want)
{
	const struct timespec moment = {.tv_nsec = 2000000};

	for (int64_t until = clock_ms() + 10000; count_marked(s) != want;
	     nanosleep(&moment, NULL))
		if (clock_ms() > until)
			fail_msg("%zu processes are there, expected %zu", count_marked(s),
				 want);
}

static int end(void **state)
{
	struct stage *s = *state;

	runner_close(s->r);
	expect_marked(s, 0);
	tmpdir_release(&s->d);
	free(s);
	return 0;
}

/* The command with the mark where it says MARK; until the next one. */
static const char *marked(const struct stage *s, const char *command)
{
	static struct buf out;

	buf_reset(&out);
	for (const char *at; (at = strstr(command, "MARK")); command = at + 4) {
		buf_add(&out, command, (size_t)(at - command));
		buf_addz(&out, s->mark);
	}
	buf_addz(&out, command);
	return buf_z(&out);
}

/* ---- jobs ---- */

static uint64_t begin_job(struct stage *s, const char *tool, const char *args, int64_t ms)
{
	struct job j = {.tool = str_of(tool),
			.arguments = str_of(args),
			.timeout_ms = ms,
			.spill_folder = STR_LIT("talk")};
	struct err err = {0};
	uint64_t id = 0;

	if (runner_run(s->r, &j, &id, &err) != 0)
		fail_msg("%s", err.text);
	return id;
}

static uint64_t begin_shell(struct stage *s, const char *command, int64_t ms)
{
	struct buf args = {0};
	uint64_t id;

	buf_addz(&args, "{\"command\": ");
	json_add_quoted(&args, str_of(command));
	buf_addz(&args, "}");
	id = begin_job(s, "shell", buf_z(&args), ms);
	buf_release(&args);
	return id;
}

/* The next news; false: the runner is gone. */
static bool take_news(struct stage *s, struct job_news *n)
{
	int rc;

	while ((rc = runner_next(s->r, n)) == 0) {
		struct pollfd p = {.fd = runner_fd(s->r), .events = POLLIN};

		if (poll(&p, 1, 30000) == 0)
			fail_msg("no news for 30 s");
	}
	return rc == 1;
}

/* To its end, which is the test's until the next one; *n_output: how often it went on. */
static const struct job_news *finish(struct stage *s, size_t *n_output)
{
	static struct job_news n;
	size_t outputs = 0;

	do {
		job_news_release(&n);
		if (!take_news(s, &n))
			fail_msg("the runner is gone");
		outputs += n.kind == JOB_OUTPUT;
	} while (n.kind != JOB_DONE);
	if (n_output)
		*n_output = outputs;
	return &n;
}

static const struct job_news *shell(struct stage *s, const char *command)
{
	begin_shell(s, command, 0);
	return finish(s, NULL);
}

static void expect(const struct job_news *n, enum tool_state state, const char *text)
{
	assert_string_equal(buf_z(&n->text), text);
	assert_int_equal(n->state, state);
}

#define HAS(text, part)                                                                        \
	do {                                                                                   \
		const char *text_ = (text);                                                    \
		if (!strstr(text_, (part)))                                                    \
			fail_msg("\"%s\" has no \"%s\"", text_, (part));                       \
	} while (0)

/* ---- files ---- */

static void files_are_read_by_another_process(void **state)
{
	struct stage *s = *state;
	const struct job_news *n;

	tmpdir_write_text(&s->d, "ws/a", "one\ntwo\n");
	begin_job(s, "read_file", "{\"path\": \"a\"}", 0);
	n = finish(s, NULL);
	expect(n, TOOL_OK, "one\ntwo\n");
	HAS(buf_z(&n->info), "\"hash\"");
	assert_int_equal(n->exit, -1);
	begin_job(s, "list_files", "{}", 0);
	expect(finish(s, NULL), TOOL_OK, "a");
	begin_job(s, "search_files", "{\"pattern\": \"w\"}", 0);
	expect(finish(s, NULL), TOOL_OK, "a:2:two");
	begin_job(s, "read_file", "{\"path\": \"/etc/passwd\"}", 0);
	expect(finish(s, NULL), TOOL_ERROR, "error: /etc/passwd leads outside the workspace");
	begin_job(s, "read_file", "{\"path\": \"a\", \"path\": \"b\"}", 0);
	HAS(buf_z(&finish(s, NULL)->text), "duplicate");
	begin_job(s, "fly", "{}", 0);
	expect(finish(s, NULL), TOOL_ERROR, "error: not run: there is no such tool here");
}

static void a_file_outside_is_read_where_that_was_allowed(void **state)
{
	struct stage *s = *state;
	struct job j = {.tool = STR_LIT("read_file"), .outside = true};
	struct buf args = {0};
	struct err err = {0};
	uint64_t id;

	tmpdir_write_text(&s->d, "out", "outside");
	buf_addf(&args, "{\"path\": \"%s/out\"}", s->d.path);
	j.arguments = buf_str(&args);
	must(runner_run(s->r, &j, &id, &err));
	expect(finish(s, NULL), TOOL_OK, "outside");
	buf_release(&args);
}

static void a_tool_that_takes_too_long_is_ended(void **state)
{
	struct stage *s = *state;
	struct buf text = {0};

	/* A line on which the pattern tries for long, again and again. */
	for (int i = 0; i < 200000; i++)
		buf_addz(&text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac\n");
	tmpdir_write(&s->d, "ws/a", text.data, text.len);
	begin_job(s, "search_files", "{\"pattern\": \"^(a|a?)+$\"}", 1000);
	expect(finish(s, NULL), TOOL_TIMEOUT, "error: timed out after 1 seconds");
	begin_job(s, "search_files", "{\"pattern\": \"^(a|a?)+$\"}", 0);
	runner_stop(s->r, 2);
	expect(finish(s, NULL), TOOL_STOPPED, "[stopped by the user]");
	begin_job(s, "list_files", "{}", 0);
	expect(finish(s, NULL), TOOL_OK, "a");
	buf_release(&text);
}

static void a_workspace_that_was_replaced_runs_nothing(void **state)
{
	struct stage *s = *state;
	char from[300], to[300];

	snprintf(from, sizeof(from), "%s/ws", s->d.path);
	snprintf(to, sizeof(to), "%s/moved", s->d.path);
	must(rename(from, to));
	must(symlink("/etc", from));
	begin_job(s, "list_files", "{}", 0);
	expect(finish(s, NULL), TOOL_ERROR, "error: not run: the workspace was replaced");
	must(unlink(from));
}

/* A change's job; what the preparation gave is its plan. */
static const struct job_news *change(struct stage *s, enum job_phase phase, struct str plan,
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
	return finish(s, NULL);
}

static void expect_file(const struct stage *s, const char *name, const char *text)
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
	struct stage *s = *state;
	const struct job_news *n;
	struct buf plan = {0};
	struct file_plan p;
	struct err err = {0};
	uint64_t id;

	tmpdir_write_text(&s->d, "ws/a", "one\ntwo\n");
	n = change(s, JOB_PREPARE, (struct str){"", 0}, args);
	expect(n, TOOL_OK, "replaced 1 occurrence in a");
	assert_string_equal(buf_z(&n->diff), "@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
	assert_string_equal(buf_z(&n->before), "one\ntwo\n");
	assert_true(file_plan_take(buf_str(&n->plan), &p));
	buf_adds(&plan, buf_str(&n->plan));
	expect_file(s, "ws/a", "one\ntwo\n");
	/* Not at once, and not where nothing may be written. */
	must(runner_run(s->r, &j, &id, &err));
	expect(finish(s, NULL), TOOL_ERROR, "error: not run: there is no such tool here");
	j.phase = JOB_APPLY;
	j.plan = buf_str(&plan);
	must(runner_run(s->r, &j, &id, &err));
	expect(finish(s, NULL), TOOL_ERROR, "error: not run: nothing may be written");
	expect_file(s, "ws/a", "one\ntwo\n");
	n = change(s, JOB_APPLY, buf_str(&plan), args);
	expect(n, TOOL_OK, "replaced 1 occurrence in a");
	assert_int_equal(n->plan.len + n->diff.len + n->before.len, 0);
	expect_file(s, "ws/a", "one\n2\n");
	expect(change(s, JOB_APPLY, buf_str(&plan), args), TOOL_ERROR,
	       "error: the text was not found in a");
	buf_release(&plan);
}

/* As large as it may be: what it had goes to the program. */
static void a_large_file_is_changed_too(void **state)
{
	const char *args = "{\"path\": \"a\", \"old\": \"end\", \"new\": \"END\"}";
	struct stage *s = *state;
	const struct job_news *n;
	struct buf text = {0}, plan = {0}, now = {0};

	while (text.len < FILE_CHANGE_BYTES - 4)
		buf_addz(&text, "x\xff\n\n");
	buf_addz(&text, "end\n");
	tmpdir_write(&s->d, "ws/a", text.data, text.len);
	n = change(s, JOB_PREPARE, (struct str){"", 0}, args);
	expect(n, TOOL_OK, "replaced 1 occurrence in a");
	assert_true(str_eq(buf_str(&n->before), buf_str(&text)));
	buf_adds(&plan, buf_str(&n->plan));
	expect(change(s, JOB_APPLY, buf_str(&plan), args), TOOL_OK,
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

static int confined(const struct stage *s, bool outside)
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
	       (rename(tmpdir_file(&s->d, "ws/a"), tmpdir_file(&s->d, "ws/b")) == 0 ? 64 : 0);
}

static void even_a_tool_gone_wrong_reads_only_what_it_may(void **state)
{
	struct stage *s = *state;

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

static int confined_to_writing(const struct stage *s)
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
	struct stage *s = *state;
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

/* ---- commands ---- */

static void what_users_start_runs_no_command(void **state)
{
	struct stage *s = *state;
	struct err err = {0};

	setenv(LIKE_USERS, "1", 1);
	must(runner_restart(s->r, &err));
	unsetenv(LIKE_USERS);
	expect(shell(s, "touch made"), TOOL_ERROR,
	       "error: not run: there is no such tool here");
	assert_int_equal(access(tmpdir_file(&s->d, "ws/made"), F_OK), -1);
}

static void a_command_is_told_as_it_ended(void **state)
{
	static const struct {
		const char *command, *text;
		enum tool_state state;
		int exit, signal;
	} rows[] = {
		{"echo out; echo err >&2; echo more", "out\nerr\nmore\n", TOOL_OK, 0, 0},
		{"true", "(no output)", TOOL_OK, 0, 0},
		{"printf x; exit 3", "x\n[exit code 3]", TOOL_ERROR, 3, 0},
		{"exit 255", "[exit code 255]", TOOL_ERROR, 255, 0},
		{"echo a; kill -SEGV $$", "a\n[killed by SIGSEGV]", TOOL_ERROR, -1, SIGSEGV},
		{"printf '\\033[31mred\\033[0m\\r\\n'", "red\n", TOOL_OK, 0, 0},
		{"no-such-program 2>/dev/null", "[exit code 127]", TOOL_ERROR, 127, 0},
		{"cat", "(no output)", TOOL_OK, 0, 0},
		{"pwd | sed 's,.*/,,'", "ws\n", TOOL_OK, 0, 0},
		{"tty", "not a tty\n[exit code 1]", TOOL_ERROR, 1, 0},
		{"(: < /dev/tty) 2>/dev/null", "[exit code 1]", TOOL_ERROR, 1, 0},
		{"kill 0", "[killed by SIGTERM]", TOOL_ERROR, -1, SIGTERM},
		{"kill -TERM $PPID; kill -HUP $PPID; echo on", "on\n", TOOL_OK, 0, 0},
		{"exec >&- 2>&-; sleep 0.1; exit 4", "[exit code 4]", TOOL_ERROR, 4, 0},
	};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct job_news *n = shell(s, rows[i].command);

		expect(n, rows[i].state, rows[i].text);
		assert_int_equal(n->exit, rows[i].exit);
		assert_int_equal(n->signal, rows[i].signal);
	}
}

static void a_command_inherits_no_descriptor_and_little_else(void **state)
{
	struct stage *s = *state;
	const struct job_news *n;

	setenv("SECRET_TOKEN", "hunter2", 1);
	start(s->r ? (runner_close(s->r), s) : s); /* one that was started with it */
	unsetenv("SECRET_TOKEN");
	expect(shell(s, "ls /proc/$$/fd; true"), TOOL_OK, "0\n1\n2\n");
	n = shell(s, "env");
	assert_null(strstr(buf_z(&n->text), "hunter2"));
	HAS(buf_z(&n->text), "TERM=dumb\n");
	expect(shell(s, "ulimit -c; ulimit -n; grep -c . /proc/self/oom_score_adj; "
			"cat /proc/self/oom_score_adj; ulimit -f"),
	       TOOL_OK, "0\n4096\n1\n800\n1048576\n");
}

static void a_file_of_a_command_has_a_limit(void **state)
{
	struct stage *s = *state;
	struct stat st;

	HAS(buf_z(&shell(s, "truncate -s 1073741824 f && echo fits; truncate -s 1073741825 f")
			   ->text),
	    "fits\n");
	must(stat(tmpdir_file(&s->d, "ws/f"), &st));
	assert_int_equal(st.st_size, 1073741824);
}

static void output_without_end_is_bounded_and_told_slowly(void **state)
{
	struct stage *s = *state;
	const struct job_news *n;
	size_t outputs;
	int64_t began = clock_ms();
	struct stat st;

	begin_shell(s, "yes 0123456789 | head -c 80000000", 0);
	n = finish(s, &outputs);
	assert_int_equal(n->state, TOOL_OK);
	assert_int_equal(n->bytes, 80000000);
	assert_true(outputs <= (size_t)(clock_ms() - began) / 50 + 1);
	assert_true(n->text.len < (33u << 10));
	HAS(buf_z(&n->text), "left out; read_file OUT:1 has the first 64 MiB]");
	assert_string_equal(buf_z(&n->spill), "OUT:1");
	must(stat(tmpdir_file(&s->d, "spills/talk/1"), &st));
	assert_int_equal(st.st_size, 64 << 20);
	assert_int_equal(st.st_mode & 0777, 0600);
	begin_job(s, "read_file", "{\"path\": \"OUT:1\", \"limit\": 1}", 0);
	HAS(buf_z(&finish(s, NULL)->text), "0123456789\n[lines 1-1 of ");
	/* What was not cut leaves no file. */
	n = shell(s, "echo short");
	assert_int_equal(n->spill.len, 0);
	assert_int_equal(access(tmpdir_file(&s->d, "spills/talk/2"), F_OK), -1);
}

static const char *run_for(struct stage *s, const char *folder, const char *tool,
			   const char *args)
{
	struct job j = {.tool = str_of(tool),
			.arguments = str_of(args),
			.limit = 2048,
			.spill_folder = str_of(folder)};
	struct err err = {0};
	uint64_t id;

	must(runner_run(s->r, &j, &id, &err));
	return buf_z(&finish(s, NULL)->text);
}

static void each_conversation_has_its_own_outputs(void **state)
{
	struct stage *s = *state;
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

static void what_it_prints_is_told_while_it_runs(void **state)
{
	struct stage *s = *state;
	struct buf told = {0};
	struct job_news n = {0};
	bool waits = false;

	must(mkfifo(tmpdir_file(&s->d, "ws/go"), 0600));
	begin_shell(s, "echo one; echo two; cat go; echo three", 0);
	do {
		job_news_release(&n);
		assert_true(take_news(s, &n));
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
	struct stage *s = *state;
	int64_t began = clock_ms();

	begin_shell(s, "echo begun; sleep 1000", 1000);
	expect(finish(s, NULL), TOOL_TIMEOUT, "error: timed out after 1 seconds\nbegun\n");
	assert_true(clock_ms() - began >= 1000);
}

/* Waits until the command has printed something. */
static void wait_for_output(struct stage *s)
{
	struct job_news n = {0};

	assert_true(take_news(s, &n));
	assert_int_equal(n.kind, JOB_OUTPUT);
	job_news_release(&n);
}

static void stopping_is_asking_first(void **state)
{
	struct stage *s = *state;
	uint64_t id = begin_shell(s,
				  "trap 'echo put away; exit 5' TERM; echo begun; "
				  "while :; do sleep 0.05; done",
				  0);
	const struct job_news *n;

	wait_for_output(s);
	runner_stop(s->r, id + 1);
	runner_stop(s->r, id);
	n = finish(s, NULL);
	HAS(buf_z(&n->text), "begun\n");
	HAS(buf_z(&n->text), "put away\n[stopped by the user]");
	assert_int_equal(n->state, TOOL_STOPPED);
	assert_int_equal(n->exit, 5);
	runner_stop(s->r, id); /* it has ended: nothing happens */
	expect(shell(s, "echo on"), TOOL_OK, "on\n");
}

static void who_does_not_hear_is_killed(void **state)
{
	struct stage *s = *state;
	const char *stubborn =
		"trap '' TERM; echo begun; exec -a MARK bash -c 'trap \"\" TERM; "
		"while :; do sleep 0.05; done'";
	int64_t began;
	uint64_t id;

	id = begin_shell(s, marked(s, stubborn), 0);
	wait_for_output(s);
	began = clock_ms();
	runner_stop(s->r, id);
	expect(finish(s, NULL), TOOL_STOPPED, "begun\n[stopped by the user]");
	assert_true(clock_ms() - began >= 1900);
	assert_int_equal(count_marked(s), 0);
	/* Asked twice: at once. */
	id = begin_shell(s, marked(s, stubborn), 0);
	wait_for_output(s);
	began = clock_ms();
	runner_stop(s->r, id);
	runner_stop(s->r, id);
	expect(finish(s, NULL), TOOL_STOPPED, "begun\n[stopped by the user]");
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
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct job_news *n;
		int64_t began = clock_ms();

		n = shell(s, marked(s, commands[i]));
		HAS(buf_z(&n->text), "hi\n[");
		HAS(buf_z(&n->text), " outlive a command]");
		assert_int_equal(n->state, TOOL_OK);
		assert_true(clock_ms() - began < 8000);
		assert_int_equal(count_marked(s), 0);
	}
}

static void many_that_fork_are_all_ended(void **state)
{
	struct stage *s = *state;
	const char *command;

	/* Each makes another and goes; two hundred at a time. */
	command = marked(
		s, "f() { exec -a MARK bash -c 'while :; do (sleep 0.01; :) & wait; done'; }; "
		   "for i in {1..100}; do f & done; sleep 0.3; echo hi");
	HAS(buf_z(&shell(s, command)->text), "hi\n[");
	assert_int_equal(count_marked(s), 0);
}

static void when_the_program_goes_all_goes(void **state)
{
	struct stage *s = *state;
	const char *command;
	int64_t began;

	command = marked(
		s,
		"trap '' TERM; setsid bash -c 'trap \"\" TERM; exec -a MARK sleep 1000' & echo "
		"begun; "
		"wait");
	begin_shell(s, command, 0);
	wait_for_output(s);
	expect_marked(s, 1);
	began = clock_ms();
	runner_close(s->r);
	assert_true(clock_ms() - began < 5000);
	assert_int_equal(count_marked(s), 0);
	assert_int_equal(access(tmpdir_file(&s->d, "spills/talk/1"), F_OK), -1);
	start(s);
}

/* The number that a command prints first. */
static pid_t printed_pid(struct stage *s)
{
	struct job_news n = {0};
	pid_t pid;

	assert_true(take_news(s, &n));
	pid = (pid_t)strtol(buf_z(&n.text), NULL, 10);
	assert_true(pid > 1);
	job_news_release(&n);
	return pid;
}

static void a_runner_that_was_killed_is_noticed_and_replaced(void **state)
{
	struct stage *s = *state;
	struct job j = {.tool = STR_LIT("list_files"), .arguments = STR_LIT("{}")};
	struct err err = {0};
	struct job_news n;
	const char *command;
	uint64_t id;
	int fd = runner_fd(s->r), rc;

	command = marked(
		s,
		"cut -d' ' -f4 /proc/$PPID/stat; (setsid bash -c 'exec -a MARK sleep 1000' &); "
		"sleep 1000");
	begin_shell(s, command, 0);
	must(kill(printed_pid(s), SIGKILL));
	while ((rc = runner_next(s->r, &n)) >= 0)
		job_news_release(&n);
	assert_int_equal(rc, ERR_FAILED);
	assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0), 1);
	assert_int_equal(runner_run(s->r, &j, &id, &err), ERR_FAILED);
	runner_stop(s->r, 1);
	expect_marked(s, 0); /* its warden saw to that */
	must(runner_restart(s->r, &err));
	assert_int_equal(runner_fd(s->r), fd);
	expect(shell(s, "echo again"), TOOL_OK, "again\n");
}

static void a_warden_that_was_killed_leaves_nothing(void **state)
{
	struct stage *s = *state;
	const char *command;

	command = marked(
		s,
		"(setsid bash -c 'exec -a MARK sleep 1000' &); sleep 0.2; kill -9 $PPID; sleep "
		"1000");
	begin_shell(s, command, 0);
	expect(finish(s, NULL), TOOL_LOST,
	       "error: what watched over the command ended; what it did is not known. Look "
	       "before "
	       "you repeat it.");
	assert_int_equal(count_marked(s), 0);
	expect(shell(s, "echo on"), TOOL_OK, "on\n");
}

/* A child of that process; 0: it has none. */
static pid_t child_of(pid_t parent)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	assert_non_null(dir);
	while (!found && (e = readdir(dir))) {
		char path[300], text[256] = "";
		const char *end;
		int fd, up = 0;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) > 0 && (end = strrchr(text, ')')) &&
		    sscanf(end, ") %*c %d", &up) == 1 && up == parent)
			found = (pid_t)strtol(e->d_name, NULL, 10);
		close(fd);
	}
	closedir(dir);
	return found;
}

/*
 * A program that has one command after the other run, until it is killed or its runner is: then
 * it ends, and fails no test.
 */
static _Noreturn void be_program(struct stage *s)
{
	struct job j = {.tool = STR_LIT("shell")};
	struct buf args = {0};
	struct job_news n = {0};
	struct err err;
	uint64_t id;

	buf_addz(&args, "{\"command\": ");
	json_add_quoted(
		&args,
		str_of(marked(s, "for i in 1 2 3; do (setsid bash -c 'exec -a MARK sleep "
				 "1000' &); done; (exec -a MARK sleep 1000) & sleep 0.02")));
	buf_addz(&args, "}");
	j.arguments = buf_str(&args);
	if (start_runner(s, &err) != 0)
		_exit(0);
	while (runner_run(s->r, &j, &id, &err) == 0) {
		do {
			struct pollfd p = {.fd = runner_fd(s->r), .events = POLLIN};

			poll(&p, 1, -1);
			job_news_release(&n);
			if (runner_next(s->r, &n) < 0)
				_exit(0);
		} while (n.kind != JOB_DONE);
	}
	_exit(0);
}

/* The program, its runner, or the runner's child. */
static pid_t choose_victim(pid_t program, int depth)
{
	pid_t victim = program;

	while (depth-- > 0) {
		pid_t child = child_of(victim);

		if (!child)
			break;
		victim = child;
	}
	return victim;
}

static void killed_at_any_moment_nothing_stays(void **state)
{
	int rounds = getenv("DSV4CHAT_SLOW") ? 200 : 9;
	struct stage *s = *state;

	srand(11);
	for (int i = 0; i < rounds; i++) {
		struct timespec moment = {.tv_nsec = 5000000 + rand() % 60000000};
		pid_t program = fork();

		if (program == 0)
			be_program(s);
		assert_true(program > 0);
		nanosleep(&moment, NULL);
		kill(choose_victim(program, i % 3), SIGKILL);
		nanosleep(&moment, NULL);
		kill(program, SIGKILL);
		assert_int_equal(waitpid(program, NULL, 0), program);
		expect_marked(s, 0);
	}
}

static void jobs_run_one_at_a_time(void **state)
{
	struct stage *s = *state;
	struct job j = {.tool = STR_LIT("list_files"), .arguments = STR_LIT("{}")};
	struct err err = {0};
	uint64_t id = begin_shell(s, "sleep 1000", 0), other;

	assert_int_equal(runner_run(s->r, &j, &other, &err), ERR_USAGE);
	runner_stop(s->r, id);
	assert_int_equal(finish(s, NULL)->state, TOOL_STOPPED);
}

static void many_jobs_leave_no_descriptor(void **state)
{
	const char *count = "ls /proc/$(cut -d' ' -f4 /proc/$PPID/stat)/fd | wc -l";
	struct stage *s = *state;
	char first[16];

	tmpdir_write_text(&s->d, "ws/a", "x\n");
	snprintf(first, sizeof(first), "%s", buf_z(&shell(s, count)->text));
	for (int i = 0; i < 8; i++) {
		begin_job(s, "read_file", "{\"path\": \"a\"}", 0);
		assert_int_equal(finish(s, NULL)->state, TOOL_OK);
		begin_job(s, "search_files", "{\"pattern\": \"x\"}", 0);
		assert_int_equal(finish(s, NULL)->state, TOOL_OK);
		assert_int_equal(shell(s, "true")->state, TOOL_OK);
	}
	assert_string_equal(buf_z(&shell(s, count)->text), first);
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

#define WITH_STAGE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_STAGE(files_are_read_by_another_process),
		WITH_STAGE(a_file_outside_is_read_where_that_was_allowed),
		WITH_STAGE(a_tool_that_takes_too_long_is_ended),
		WITH_STAGE(a_workspace_that_was_replaced_runs_nothing),
		WITH_STAGE(a_file_is_changed_by_two_jobs),
		WITH_STAGE(a_large_file_is_changed_too),
		WITH_STAGE(even_a_tool_gone_wrong_reads_only_what_it_may),
		WITH_STAGE(one_gone_wrong_writes_only_in_the_workspace),
		WITH_STAGE(what_users_start_runs_no_command),
		WITH_STAGE(a_command_is_told_as_it_ended),
		WITH_STAGE(a_command_inherits_no_descriptor_and_little_else),
		WITH_STAGE(a_file_of_a_command_has_a_limit),
		WITH_STAGE(output_without_end_is_bounded_and_told_slowly),
		WITH_STAGE(each_conversation_has_its_own_outputs),
		WITH_STAGE(what_it_prints_is_told_while_it_runs),
		WITH_STAGE(a_command_is_timed_out),
		WITH_STAGE(stopping_is_asking_first),
		WITH_STAGE(who_does_not_hear_is_killed),
		WITH_STAGE(nothing_outlives_its_command),
		WITH_STAGE(many_that_fork_are_all_ended),
		WITH_STAGE(when_the_program_goes_all_goes),
		WITH_STAGE(a_runner_that_was_killed_is_noticed_and_replaced),
		WITH_STAGE(a_warden_that_was_killed_leaves_nothing),
		WITH_STAGE(killed_at_any_moment_nothing_stays),
		WITH_STAGE(jobs_run_one_at_a_time),
		WITH_STAGE(many_jobs_leave_no_descriptor),
		cmocka_unit_test(a_workspace_that_cannot_be_one_is_told),
	};

	(void)argc;
	if (runner_is_called(argv))
		return runner_main(!getenv(LIKE_USERS));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
