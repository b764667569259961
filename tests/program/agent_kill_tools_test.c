/*
 * The program with its own runner is killed at any moment, or its runner is, or what the runner
 * started, while files are edited and commands leave processes behind: nothing of them stays,
 * the file is whole, the store is valid, and it knows which edits were made.
 */
#include "tests/support/jobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "history/history.h"
#include "tests/support/program.h"
#include "tests/support/sandboxed.h"

#define ROUNDS 8
#define DONE   "{\"done\": {}}\n"
#define FILL   (96u << 10) /* of the file: more than one write() may take */

static struct err err;
static struct jobs marked;
static char *program;

/* Of all kills. */
static size_t n_lost, n_edits;

/* Each round makes version N of the file N + 1, and leaves two processes. */
static void write_scripts(void)
{
	struct buf engine = {0};

	for (int i = 0; i < ROUNDS; i++) {
		buf_addf(
			&engine,
			"{\"call\": {\"name\": \"edit_file\", \"arguments\": {\"path\": \"f\", "
			"\"old\": \"version %d;\", \"new\": \"version %d;\"}}}\n",
			i, i + 1);
		buf_addf(&engine,
			 "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": "
			 "\"%s\"}}}\n" DONE,
			 jobs_marked(&marked,
				     "(setsid bash -c 'exec -a MARK sleep 1000' &); (exec -a "
				     "MARK sleep 1000) & "
				     "sleep 0.02"));
	}
	buf_addz(&engine, "{\"text\": \"There.\"}\n" DONE);
	tmpdir_write_text(&test_dir, "engine", buf_z(&engine));
	tmpdir_write_text(&test_dir, "again", "{\"text\": \"And more.\"}\n" DONE);
	buf_release(&engine);
}

static void fresh(void)
{
	struct buf text = {0};

	tmpdir_clear(&test_dir, "dsv4chat");
	tmpdir_clear(&test_dir, "work");
	mkdir(tmpdir_file(&test_dir, "work"), 0700);
	buf_addz(&text, "version 0;\n");
	for (size_t i = 0; i < FILL; i++)
		buf_addc(&text, i % 64 == 63 ? '\n' : 'x');
	tmpdir_write(&test_dir, "work/f", text.data, text.len);
	buf_release(&text);
}

static pid_t start(const char *engine, const char *how)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int nowhere = open("/dev/null", O_RDWR);
		int out =
			open(tmpdir_file(&test_dir, "out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
		char script[400];

		snprintf(script, sizeof(script), "%s", tmpdir_file(&test_dir, engine));
		dup2(nowhere, 0);
		dup2(out, 1);
		dup2(out, 2);
		if (chdir(tmpdir_file(&test_dir, "work")) == 0)
			execl(program, program, "--tools", "--approve", "auto", "--titles",
			      "off", "--engine-script", script, "-p", "hi", how, NULL);
		_exit(99);
	}
	return pid;
}

/* Exit code; 128 + a signal. */
static int ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Which version it is: all of it is there. */
static long version_of(const char *name)
{
	char path[300];
	struct buf text = {0};
	long version;
	char *end;

	snprintf(path, sizeof(path), "work/%s", name);
	assert_int_equal(file_read(&text, tmpdir_file(&test_dir, path), 1 << 20, &err), 0);
	assert_memory_equal(text.data, "version ", 8);
	version = strtol(text.data + 8, &end, 10);
	assert_memory_equal(end, ";\n", 2);
	assert_int_equal(text.len, (size_t)(end + 2 - text.data) + FILL);
	for (size_t i = 0; i < FILL; i++)
		assert_int_equal(end[2 + i], i % 64 == 63 ? '\n' : 'x');
	buf_release(&text);
	return version;
}

/* Of the file; one that lay beside it in the moment of the kill is whole, too. */
static long version_of_file(void)
{
	DIR *dir = opendir(tmpdir_file(&test_dir, "work"));
	long version = version_of("f");
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		if (strncmp(e->d_name, ".dsv4-", 6) == 0)
			assert_in_range(version - version_of(e->d_name) + 1, 0, 2);
		else if (strcmp(e->d_name, "f") != 0 && e->d_name[0] != '.')
			fail_msg("'%s' was left", e->d_name);
	}
	closedir(dir);
	return version;
}

static long count(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;
	long n;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = (long)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

static void verify_store(void)
{
	struct buf wrong = {0};
	struct history *h = NULL;
	size_t n_wrong = 0;

	if (history_open(&h, tmpdir_file(&test_dir, "dsv4chat/history.db"), &err) ||
	    history_verify(h, &wrong, &n_wrong, &err))
		fail_msg("%s", err.text);
	if (n_wrong)
		fail_msg("%s", buf_z(&wrong));
	history_close(h);
	buf_release(&wrong);
}

/*
 * Gone on with: what the store says is what the file is, and each call has its result.  Of the
 * edit that a runner was at when it was killed it may say that this is not known; of the
 * program's own it found out.
 */
static void check_kept(const char *what, bool is_known)
{
	sqlite3 *db;
	long n, unknown, version = version_of_file();

	verify_store();
	assert_int_equal(sqlite3_open(tmpdir_file(&test_dir, "dsv4chat/history.db"), &db),
			 SQLITE_OK);
	n = count(db, "SELECT count(*) FROM file_edit WHERE state = 'applied'");
	unknown = count(db, "SELECT count(*) FROM file_edit WHERE state = 'lost'");
	if (n > version || n + unknown < version || unknown > !is_known)
		fail_msg("%s: the file is version %ld; %ld edits were made, of %ld it is not "
			 "known",
			 what, version, n, unknown);
	n_edits += (size_t)n;
	assert_int_equal(count(db, "SELECT count(*) FROM file_edit WHERE state = 'planned'"),
			 0);
	assert_int_equal(count(db, "SELECT count(*) FROM tool_run WHERE state IN ('asked', "
				   "'running') OR result_id IS NULL"),
			 0);
	/* What the model is told of a lost one. */
	n = count(db, "SELECT count(*) FROM tool_run WHERE state = 'lost'");
	assert_int_equal(count(db,
			       "SELECT count(*) FROM tool_run r JOIN part p ON p.message_id = "
			       "r.result_id WHERE r.state = 'lost' AND p.text LIKE '%is not "
			       "known. Look%'"),
			 n);
	n_lost += (size_t)n;
	sqlite3_close(db);
}

/* The program (0), its runner (1), or the runner's child (2), at that moment. */
static void kill_once(int64_t after_ms, int depth)
{
	struct timespec moment = {.tv_sec = after_ms / 1000,
				  .tv_nsec = after_ms % 1000 * 1000000};
	pid_t pid, victim;
	char what[60];
	int status;

	snprintf(what, sizeof(what), "%d after %lld ms", depth, (long long)after_ms);
	fresh();
	victim = pid = start("engine", NULL);
	nanosleep(&moment, NULL);
	for (int i = 0; i < depth; i++) {
		pid_t child = jobs_child_of(victim);

		victim = child ? child : victim;
	}
	kill(victim, SIGKILL);
	status = ended(pid);
	/* Without its runner or a command it comes to an end of its own. */
	if (victim != pid)
		assert_in_range(status, 0, 5);
	jobs_expect_marked(&marked, 0);
	version_of_file();
	/* It may not have come as far as to keep anything. */
	if (ended(start("again", "-c")) == 0)
		check_kept(what, victim == pid);
	jobs_expect_marked(&marked, 0);
}

static void killed_at_any_moment_it_leaves_nothing_and_no_half_file(void **state)
{
	int n_kills = getenv("DSV4CHAT_SLOW") ? 200 : 12;
	int64_t whole_ms;

	(void)state;
	if (!has_sandbox())
		skip();
	write_scripts();
	fresh();
	whole_ms = -clock_ms();
	assert_int_equal(ended(start("engine", NULL)), 0);
	whole_ms += clock_ms();
	assert_int_equal(version_of_file(), ROUNDS);
	check_kept("nothing", true);
	n_edits = 0;
	for (int i = 0; i < n_kills; i++)
		kill_once(whole_ms * (i + 1) / (n_kills + 1), i % 3);
	print_message("%d kills, %zu edits before, %zu calls lost\n", n_kills, n_edits, n_lost);
	assert_true(n_edits > (size_t)n_kills / 2);
	assert_true(n_lost > 0);
}

static int set_up(void **state)
{
	program_set_up(state);
	/* A leak is looked for by a child of its own, which may be the one that is killed. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	program = realpath(program_path(), NULL);
	snprintf(marked.mark, sizeof(marked.mark), "killed-%d", (int)getpid());
	return program == NULL;
}

static int tear_down(void **state)
{
	free(program);
	return tmpdir_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			killed_at_any_moment_it_leaves_nothing_and_no_half_file, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
