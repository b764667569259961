/*
 * The store on a network file system, where the write-ahead log cannot work: a rollback
 * journal is used instead, and everything else holds.  statfs() is this test's own, as no test
 * can count on such a file system.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "history/history.h"
#include "tests/support/store.h"
#include "tests/support/tmpdir.h"

#define NFS  0x6969
#define EXT4 0xef53

static long file_system = NFS;
static struct err err;
static _Atomic int64_t *n_said; /* by a child, in memory that outlives it */

int statfs(const char *path, struct statfs *fs)
{
	(void)path;
	*fs = (struct statfs){.f_type = file_system};
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	file_system = NFS;
	tmpdir_init(&test_dir);
	return 0;
}

static const char *path(void)
{
	return tmpdir_file(&test_dir, "history.db");
}

static struct history *open_store(void)
{
	struct history *h;

	if (history_open(&h, path(), &err))
		fail_msg("%s", err.text);
	return h;
}

static int say(struct history_tree *t, const char *text)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = str_of(text)};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};

	return history_tree_say(t, &m, NULL, &err);
}

static int64_t talk(struct history *h, const char *text)
{
	struct history_tree *t;
	int64_t id;

	assert_int_equal(history_tree_new(&t, h, &err), 0);
	assert_int_equal(say(t, text), 0);
	id = history_tree_conversation(t);
	history_tree_free(t);
	return id;
}

static void assert_mode(const char *mode)
{
	store_value_is(path(), "PRAGMA journal_mode", mode);
}

static bool is_there(const char *name)
{
	return access(tmpdir_file(&test_dir, name), F_OK) == 0;
}

static void a_rollback_journal_is_used_and_leaves_nothing(void **state)
{
	struct history *h = open_store();
	struct history_query q = {.text = STR_LIT("staying")};
	struct history_hits hits;
	struct buf all = {0};
	int64_t id;

	(void)state;
	assert_mode("delete");
	talk(h, "staying words");
	id = talk(h, "vanishing words");
	assert_false(is_there("history.db-wal"));
	assert_false(is_there("history.db-journal"));
	assert_int_equal(history_remove(h, id, &err), 0);
	assert_int_equal(history_search(h, &q, &hits, &err), 0);
	assert_int_equal(hits.n, 1);
	history_hits_release(&hits);
	store_assert_sound(h);
	history_close(h);
	assert_false(is_there("history.db-journal"));
	assert_int_equal(file_read(&all, path(), 1 << 24, &err), 0);
	assert_null(memmem(all.data, all.len, "anishing", 8));
	buf_release(&all);
}

static void a_file_that_moves_there_leaves_its_log(void **state)
{
	struct history *h;

	(void)state;
	file_system = EXT4;
	h = open_store();
	talk(h, "said at home");
	assert_mode("wal");
	history_close(h);
	file_system = NFS;
	h = open_store();
	assert_mode("delete");
	talk(h, "said elsewhere");
	assert_false(is_there("history.db-wal"));
	store_assert_sound(h);
	history_close(h);
	file_system = EXT4;
	h = open_store();
	assert_mode("wal");
	store_assert_sound(h);
	history_close(h);
}

static void an_old_file_is_migrated_there(void **state)
{
	struct history_list list;
	struct history *h;

	(void)state;
	tmpdir_copy(&test_dir, "tests/fixtures/history_v1.db");
	assert_int_equal(rename(tmpdir_file(&test_dir, "history_v1.db"), path()), 0);
	h = open_store();
	assert_mode("delete");
	assert_true(is_there("history.db.v1.bak"));
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.n, 4);
	history_list_release(&list);
	store_assert_sound(h);
	history_close(h);
}

/* Says one message after another until it is killed, or `n` of them. */
static _Noreturn void live(int64_t n)
{
	struct history *h = open_store();
	struct history_tree *t;

	if (history_tree_new(&t, h, &err))
		_exit(1);
	for (int64_t i = 0; i < n; i++) {
		if (say(t, "a message")) {
			fprintf(stderr, "%s\n", err.text);
			_exit(2);
		}
		++*n_said;
	}
	history_tree_free(t);
	history_close(h);
	_exit(0);
}

static int64_t n_kept(void)
{
	struct history *h = open_store();
	struct history_list list;
	int64_t n = 0;

	store_assert_sound(h);
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
	for (size_t i = 0; i < list.n; i++)
		n += list.items[i].n_messages;
	history_list_release(&list);
	history_close(h);
	return n;
}

static void no_kill_loses_a_message(void **state)
{
	int n = getenv("DSV4CHAT_SLOW") ? 100 : 10;

	(void)state;
	*n_said = 0;
	for (int i = 0; i < n; i++) {
		struct timespec rest = {0, (long)(5 + i * 7 % 60) * 1000000L};
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (child == 0)
			live(INT64_MAX);
		nanosleep(&rest, NULL);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(n_kept() >= *n_said);
	}
}

static void two_processes_take_turns(void **state)
{
	pid_t children[2];
	int status;

	(void)state;
	*n_said = 0;
	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			live(50);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(n_kept(), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tmpdir_tear_down)
		T(a_rollback_journal_is_used_and_leaves_nothing),
		T(a_file_that_moves_there_leaves_its_log),
		T(an_old_file_is_migrated_there),
		T(no_kill_loses_a_message),
		T(two_processes_take_turns),
	};

	n_said = mmap(NULL, sizeof(*n_said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (n_said == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
