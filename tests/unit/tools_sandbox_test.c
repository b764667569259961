/*
 * Commands in the sandbox, in each layer that this machine has: how they end, what they may,
 * and what is left of them.  What attacks it is in tests/hostile.
 */
#include "tests/support/shared_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/tools/cover.h"
#include "app/tools/landlock.h"
#include "app/tools/plain.h"
#include "app/tools/sandbox.h"
#include "app/tools/sandbox_seccomp.h"
#include "app/tools/scratch.h"
#include "engine/base/clock.h"
#include "tests/support/jobs.h"

static void must(int rc)
{
	assert_int_equal(rc, 0);
}

/* The layer that a group of tests is about. */
static enum sandbox_layer layer;

/* Skips where this machine has none such. */
static int set_up(void **state)
{
	struct jobs *s;
	struct str why;

	jobs_set_up_in(state, layer);
	s = *state;
	assert_int_equal(mkdir(tmpdir_file(&s->d, "ws/src"), 0700), 0);
	return runner_sandbox(s->r, &why) == layer ? 0 : -1;
}

static bool works(enum sandbox_layer l)
{
	void *state = NULL;
	bool ok;

	layer = l;
	ok = set_up(&state) == 0;
	jobs_tear_down(&state);
	return ok;
}

static const struct job_news *run(struct jobs *s, const char *command, unsigned grade)
{
	s->grade = grade;
	return jobs_shell(s, command);
}

static bool is_there(struct jobs *s, const char *name)
{
	struct stat st;

	return lstat(tmpdir_file(&s->d, name), &st) == 0;
}

/* ---- how they end ---- */

static void a_command_is_told_as_it_ended(void **state)
{
	static const struct jobs_end ends[] = {
		{"kill -KILL $$", "[killed by SIGKILL]", TOOL_ERROR, -1, SIGKILL},
		{"echo a > src/a && cat src/a", "a\n", TOOL_OK, 0, 0},
		{"echo a > \"$TMPDIR\"/a && cat \"$TMPDIR\"/a", "a\n", TOOL_OK, 0, 0},
		{"cd src; sleep 100 & sleep 100 & echo hi",
		 "hi\n[2 background processes were stopped; they cannot outlive a command]",
		 TOOL_OK, 0, 0},
		{"(setsid sleep 100 & exit 0); exit 1",
		 "[exit code 1]\n[1 background process was stopped; it cannot outlive a "
		 "command]",
		 TOOL_ERROR, 1, 0},
	};
	struct jobs *s = *state;

	s->grade = GRADE_WRITE;
	jobs_expect_usual_ends(s);
	jobs_expect_ends(s, ends, sizeof(ends) / sizeof(*ends));
}

static void stopping_is_asking_first(void **state)
{
	struct jobs *s = *state;
	uint64_t id;

	s->grade = GRADE_WRITE;
	id = jobs_begin_shell(s,
			      "trap 'echo put away; exit 5' TERM; echo begun; "
			      "while :; do sleep 0.05; done",
			      0);
	jobs_wait_for_output(s);
	runner_stop(s->r, id);
	HAS(buf_z(&jobs_finish(s, NULL)->text), "put away\n[stopped by the user]");
}

static void one_that_takes_too_long_is_ended(void **state)
{
	struct jobs *s = *state;
	int64_t began = clock_ms();

	jobs_begin_shell(s, "trap '' TERM; echo begun; (trap '' TERM; sleep 1000) & wait",
			 1000);
	HAS(buf_z(&jobs_finish(s, NULL)->text), "error: timed out after 1 seconds\nbegun\n");
	assert_true(clock_ms() - began >= 1000 && clock_ms() - began < 8000);
}

/* ---- what they may ---- */

static void grades_are_what_can_be_written(void **state)
{
	struct jobs *s = *state;

	run(s, "touch a; echo x > src/a", GRADE_READ);
	assert_false(is_there(s, "ws/src/a"));
	assert_int_equal(run(s, "echo x > src/a", GRADE_WRITE)->state, TOOL_OK);
	assert_true(is_there(s, "ws/src/a"));
	run(s, "echo x > ../outside", GRADE_WRITE);
	assert_false(is_there(s, "outside"));
	assert_int_equal(run(s, "echo x > ../outside", GRADE_OUTSIDE)->state, TOOL_OK);
	assert_true(is_there(s, "outside"));
}

static void what_is_hidden_is_not_there(void **state)
{
	struct jobs *s = *state;

	tmpdir_write_text(&s->d, "ws/src/.env", "hunter2\n");
	tmpdir_write_text(&s->d, "ws/src/.env.example", "sample\n");
	tmpdir_write_text(&s->d, "keys", "hunter2\n");
	must(symlink("../keys", tmpdir_file(&s->d, "ws/id_rsa")));
	must(mkdir(tmpdir_file(&s->d, "ws/.vscode"), 0700));
	tmpdir_write_text(&s->d, "ws/.vscode/x.key", "hunter2\n");
	assert_null(strstr(buf_z(&run(s,
				      "cat src/.env* id_rsa ../keys .vscode/*; mv src/.env x; "
				      "cat x",
				      GRADE_WRITE)
					  ->text),
			   "hunter2"));
	HAS(buf_z(&run(s, "cat src/.env.example", GRADE_WRITE)->text), "sample");
}

static void no_more_than_the_standard_descriptors_are_open(void **state)
{
	struct jobs *s = *state;
	char text[64];

	snprintf(text, sizeof(text), "%s",
		 buf_z(&run(s,
			    "for i in 3 4 5 6 7 8 9 10 11 12 13 251; do "
			    "bash -c \"exec <&$i\" 2>/dev/null && echo $i; done; true",
			    GRADE_WRITE)
				->text));
	assert_string_equal(text, "(no output)");
}

static void nothing_of_the_environment_comes_in(void **state)
{
	struct jobs *s = *state;
	const char *text;

	setenv("SECRET_TOKEN", "hunter2", 1);
	setenv("BASH_ENV", "/nowhere", 1);
	setenv("PATH", "/tmp:.::/usr/bin:/bin:relative", 1);
	runner_close(s->r);
	jobs_start(s);
	unsetenv("SECRET_TOKEN");
	unsetenv("BASH_ENV");
	text = buf_z(&run(s, "env", GRADE_READ)->text);
	assert_null(strstr(text, "hunter2"));
	assert_null(strstr(text, "BASH_ENV"));
	HAS(text, "PATH=/usr/bin:/bin\n");
	HAS(text, "core.hooksPath\n");
	HAS(text, "PAGER=cat\n");
	assert_null(strstr(buf_z(&run(s, "env", GRADE_WRITE)->text), "core.hooksPath"));
}

/* ---- what is left of them ---- */

static void a_repository_is_not_a_commands_to_change(void **state)
{
	struct jobs *s = *state;

	must(mkdir(tmpdir_file(&s->d, "ws/src/.git"), 0700));
	must(mkdir(tmpdir_file(&s->d, "ws/src/.git/hooks"), 0700));
	tmpdir_write_text(&s->d, "ws/src/.git/config", "[core]\n");
	run(s,
	    "cd src; echo x > .git/hooks/post-commit; echo x >> .git/config; mv .git g; "
	    "rm -rf .git",
	    GRADE_WRITE);
	assert_true(is_there(s, "ws/src/.git/config"));
	assert_false(is_there(s, "ws/src/.git/hooks/post-commit"));
	if (layer == SANDBOX_LANDLOCK) /* which lets nothing be renamed beside it */
		return;
	/* The folder above goes, and another comes in its place. */
	HAS(buf_z(&run(s,
		       "mv src s; mkdir -p src/.git/hooks; echo x > src/.git/hooks/post-commit",
		       GRADE_WRITE)
			   ->text),
	    "[src/.git is not a command's to make: it is now src/.git.from-sandbox-1]");
	assert_true(is_there(s, "ws/src/.git.from-sandbox-1/hooks/post-commit"));
	assert_false(is_there(s, "ws/src/.git"));
	assert_true(is_there(s, "ws/s/.git/config"));
}

static void what_tells_other_programs_is_put_out_of_the_way(void **state)
{
	struct jobs *s = *state;
	const char *text;

	must(mkdir(tmpdir_file(&s->d, "ws/src/AGENTS.md.from-sandbox-1"), 0700));
	text = buf_z(&run(s,
			  "cd src; echo x > AGENTS.md; mkdir .VSCode; ln -s /etc .envrc; true",
			  GRADE_WRITE)
			      ->text);
	HAS(text, "[src/AGENTS.md is not a command's to make: it is now "
		  "src/AGENTS.md.from-sandbox-2]");
	assert_true(is_there(s, "ws/src/AGENTS.md.from-sandbox-2"));
	assert_true(is_there(s, "ws/src/.VSCode.from-sandbox-1"));
	assert_true(is_there(s, "ws/src/.envrc.from-sandbox-1"));
	/* What has been put there once is not looked at again. */
	jobs_expect(run(s, "true", GRADE_WRITE), TOOL_OK, "(no output)");
}

static void one_that_makes_a_repository_at_the_top_is_killed(void **state)
{
	struct jobs *s = *state;
	const struct job_news *n;

	must(mkdir(tmpdir_file(&s->d, "ws/x"), 0700));
	n = run(s, "mkdir .git; sleep 100", GRADE_WRITE);
	HAS(buf_z(&n->text), "[killed: it made .git, which is not a command's to make]\n"
			     "[.git is not a command's to make: it is now "
			     ".git.from-sandbox-1]");
	assert_int_equal(n->state, TOOL_ERROR);
	assert_false(is_there(s, "ws/.git"));
}

static void a_folder_with_too_much_in_it_is_read_only(void **state)
{
	struct jobs *s = *state;
	char path[200] = "ws/src/1";

	for (int i = 0; i < COVER_DEPTH; i++) {
		must(mkdir(tmpdir_file(&s->d, path), 0700));
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/1");
	}
	HAS(buf_z(&run(s, "echo x > $(find src -type d | tail -n 1)/x; echo x > src/x",
		       GRADE_WRITE)
			   ->text),
	    "1 was read-only: there is too much in it to look through]");
	assert_int_equal(is_there(s, "ws/src/x"), layer != SANDBOX_LANDLOCK);
	path[strlen(path) - 1] = 'x';
	assert_false(is_there(s, path));
}

static size_t count_names(const char *folder, const char *begin)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		n += strncmp(e->d_name, begin, strlen(begin)) == 0;
	closedir(dir);
	return n;
}

static void what_is_temporary_is_gone_with_the_session(void **state)
{
	const char *before = getenv("TMPDIR");
	char *kept = before ? strdup(before) : NULL;
	struct jobs *s = *state;

	runner_close(s->r);
	setenv("TMPDIR", s->d.path, 1);
	jobs_start(s);
	jobs_expect(run(s, "echo kept > $TMPDIR/f", GRADE_WRITE), TOOL_OK, "(no output)");
	jobs_expect(run(s, "cat $TMPDIR/f", GRADE_READ), TOOL_OK, "kept\n");
	assert_int_equal(count_names(s->d.path, "dsv4chat-tools-"), 1);
	runner_close(s->r);
	s->r = NULL;
	assert_int_equal(count_names(s->d.path, "dsv4chat-tools-"), 0);
	if (kept)
		setenv("TMPDIR", kept, 1);
	else
		unsetenv("TMPDIR");
	free(kept);
}

/* ---- parts ---- */

static void settings_are_plain_where_they_are_gits_own(void **state)
{
	static const struct {
		const char *text;
		bool plain;
	} rows[] = {
		{"", true},
		{"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n",
		 true},
		{"# a\n; b\n[remote \"origin\"]\n\turl = https://a/b.git\n"
		 "\tfetch = +refs/heads/*:refs/remotes/origin/*\n[branch \"main\"]\n"
		 "\tremote = origin\n\tmerge = refs/heads/main\n",
		 true},
		{"[CORE]\nBARE=true\r\n", true},
		{"[core]\n\tfsmonitor = sh -c x\n", false},
		{"[core]\n\thooksPath = /tmp\n", false},
		{"[core] bare = true\n", false},
		{"[core]\nbare\n", false},
		{"bare = true\n", false},
		{"[include]\n\tpath = x\n", false},
		{"[includeIf \"gitdir:/\"]\n\tpath = x\n", false},
		{"[remote \"o\"]\n\turl = ext::sh -c x\n", false},
		{"[remote \"o\"]\n\turl = -oProxyCommand=x\n", false},
		{"[remote \"o\"]\n\turl = a \\\n fsmonitor = x\n", false},
		{"[remote \"a\\\"]\n[core]\n\tfsmonitor = x \"]\n", false},
		{"[remote \"o\"]\n\tuploadpack = x\n", false},
		{"[filter \"x\"]\n\tclean = x\n", false},
		{"[core]\n\tbare = \"true\n[a]\"\n", false},
		{"[core\n\tbare = true\n", false},
		{"[core.x]\n\tbare = true\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (plain_settings(str_of(rows[i].text)) != rows[i].plain)
			fail_msg("\"%s\"", rows[i].text);
	assert_false(plain_settings((struct str){"[core]\n\0x = 1\n", 14}));
}

/* A kernel whose Landlock has no rule for emptying a file: the filter has. */
static int empties(const char *inside, const char *outside)
{
	struct landlock l = landlock_begin(2, landlock_files(2), true);
	struct err err;
	int program, fd, got = 0;

	landlock_allow_path(&l, "/", LANDLOCK_TO_READ);
	landlock_allow_path(&l, inside, LANDLOCK_TO_READ | LANDLOCK_WRITE_FILE);
	program = seccomp_program(SECCOMP_BARE | SECCOMP_TRUNCATE, &err);
	if (!landlock_enforce(&l) || !seccomp_enforce(program))
		return 100;
	fd = open(outside, O_RDONLY | O_TRUNC | O_CLOEXEC);
	got |= fd >= 0 ? 1 : 0;
	got |= truncate(outside, 0) == 0 ? 2 : 0;
	got |= open(outside, O_WRONLY | O_TRUNC | O_CLOEXEC) >= 0 ? 4 : 0;
	got |= open(inside, O_WRONLY | O_TRUNC | O_CLOEXEC) >= 0 ? 8 : 0;
	return got;
}

static void an_old_landlock_lets_nothing_be_emptied(void **state)
{
	struct tmpdir d;
	struct stat st;
	char inside[300];
	int status;
	pid_t pid;

	(void)state;
	if (tools_landlock() < 2)
		skip();
	tmpdir_init(&d);
	tmpdir_write_text(&d, "in", "in");
	tmpdir_write_text(&d, "out", "out");
	snprintf(inside, sizeof(inside), "%s", tmpdir_file(&d, "in"));
	pid = fork();
	if (pid == 0)
		_exit(empties(inside, tmpdir_file(&d, "out")));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 8);
	must(stat(tmpdir_file(&d, "out"), &st));
	assert_int_equal(st.st_size, 3);
	tmpdir_release(&d);
}

/* Deeper than a path can be long. */
static void make_deep(const char *folder)
{
	const char *name = "1234567890123456789012345678901234567890";
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < 200; i++) {
		int next;

		must(mkdirat(fd, name, 0700));
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

static void what_is_temporary_is_removed_through_no_link(void **state)
{
	struct tmpdir d;
	struct err err = {0};
	char command[1000], *path;
	int hold;

	(void)state;
	tmpdir_init(&d);
	tmpdir_write_text(&d, "kept", "kept");
	setenv("TMPDIR", d.path, 1);
	path = scratch_make(&hold, &err);
	assert_non_null(path);
	snprintf(command, sizeof(command),
		 "cd '%s/tmp'; ln -s '%s' up; mkdir -p a/b; ln -s ../../up a/b/l; chmod 0 a/b",
		 path, d.path);
	must(system(command));
	snprintf(command, sizeof(command), "%s/tmp", path);
	make_deep(command);
	scratch_remove(path);
	assert_int_equal(access(path, F_OK), -1);
	must(access(tmpdir_file(&d, "kept"), F_OK));
	close(hold);
	free(path);
	tmpdir_release(&d);
}

#define IN_LAYER(f) cmocka_unit_test_setup_teardown(f, set_up, jobs_tear_down)

static int run_layer(enum sandbox_layer l)
{
	const struct CMUnitTest tests[] = {
		IN_LAYER(a_command_is_told_as_it_ended),
		IN_LAYER(stopping_is_asking_first),
		IN_LAYER(one_that_takes_too_long_is_ended),
		IN_LAYER(grades_are_what_can_be_written),
		IN_LAYER(what_is_hidden_is_not_there),
		IN_LAYER(no_more_than_the_standard_descriptors_are_open),
		IN_LAYER(nothing_of_the_environment_comes_in),
		IN_LAYER(a_repository_is_not_a_commands_to_change),
		IN_LAYER(what_tells_other_programs_is_put_out_of_the_way),
		IN_LAYER(one_that_makes_a_repository_at_the_top_is_killed),
		IN_LAYER(a_folder_with_too_much_in_it_is_read_only),
		IN_LAYER(what_is_temporary_is_gone_with_the_session),
	};

	if (!works(l)) {
		print_message("%s: does not work on this machine: skipped\n",
			      sandbox_layer_name(l));
		return 0;
	}
	print_message("in %s\n", sandbox_layer_name(l));
	return cmocka_run_group_tests_name(sandbox_layer_name(l), tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest parts[] = {
		cmocka_unit_test(settings_are_plain_where_they_are_gits_own),
		cmocka_unit_test(an_old_landlock_lets_nothing_be_emptied),
		cmocka_unit_test(what_is_temporary_is_removed_through_no_link),
	};
	int failed = 0;

	(void)argc;
	if (runner_is_called(argv))
		return runner_main(argv);
	for (int l = SANDBOX_BWRAP; l < SANDBOX_OFF; l++)
		failed += run_layer((enum sandbox_layer)l);
	return failed + cmocka_run_group_tests(parts, NULL, NULL);
}
