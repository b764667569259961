/*
 * The file under an open history: moved, replaced, cut; the names that copies get; processes
 * and clocks that can't be asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "app/newfile.h"
#include "engine/base/clock.h"
#include "tests/support/store.h"

static struct store s;
static struct err err;

/* -- calls of the system, as other systems have them ------------------------------------- */

static bool no_links, no_rename_flags, no_proc;

/* The headers declare them with attributes that ask for nothing here. */
#pragma GCC diagnostic ignored "-Wmissing-attributes"

int link(const char *from, const char *to)
{
	if (no_links) {
		errno = EPERM;
		return -1;
	}
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
	if (no_rename_flags && flags) {
		errno = EINVAL;
		return -1;
	}
	if (flags && access(to, F_OK) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(from_dir, from, to_dir, to);
}

FILE *fopen(const char *path, const char *mode)
{
	if (no_proc && strncmp(path, "/proc/", 6) == 0) {
		errno = ENOENT;
		return NULL;
	}
	return fopen64(path, mode);
}

ssize_t readlink(const char *path, char *out, size_t n)
{
	if (no_proc && strncmp(path, "/proc/", 6) == 0) {
		errno = ENOENT;
		return -1;
	}
	return readlinkat(AT_FDCWD, path, out, n);
}

static int set_up(void **state)
{
	(void)state;
	no_links = no_rename_flags = no_proc = false;
	store_init(&s);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	no_links = no_rename_flags = no_proc = false;
	store_release(&s);
	return 0;
}

/* -- the open file --------------------------------------------------------------------------
 */

static void shell(const char *format)
{
	char command[1500];

	snprintf(command, sizeof(command), "cd %s && %s", s.dir.path, format);
	assert_int_equal(system(command), 0);
}

static struct history_tree *t;

static int say(void)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = STR_LIT("lost?")};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};

	return history_tree_say(t, &m, NULL, &err);
}

static int rename_it(void)
{
	return history_set_title(s.h, history_tree_conversation(t), STR_LIT("t"),
				 HISTORY_TITLE_USER, &err);
}

static int begin_answer(void)
{
	struct history_run run = {.model = "m"};
	struct history_answer *a;
	int rc = history_answer_begin(&a, t, &run, NULL, &err);

	history_answer_free(a);
	return rc;
}

static int remove_it(void)
{
	return history_remove(s.h, history_tree_conversation(t), &err);
}

static void nothing_is_written_where_nobody_will_find_it(void **state)
{
	static const struct {
		const char *damage, *repair, *word;
	} cases[] = {
		{"rm history.db", NULL, "moved, replaced or removed"},
		{"rm history.db*", NULL, "removed"},
		{"mv history.db away", "mv away history.db", "moved, replaced or removed"},
		{"mkdir d && mv history.db* d", "mv d/* . && rmdir d", "moved"},
		{"cp history.db new && mv new history.db", NULL, "replaced"},
		{"rm history.db-wal", NULL, "log was moved or removed"},
		{"cp history.db-wal w && mv w history.db-wal", NULL, "log was moved"},
		{": > history.db", NULL, "cut or"},
		{"truncate -s 4096 history.db", NULL, "cut or"},
		{"truncate -s -4096 history.db", NULL, "cut"},
		{"head -c 300000 /dev/zero > history.db", NULL, "written over"},
		{"seq 1 100000 > history.db", NULL, "written over"},
	};
	static int (*const calls[])(void) = {say, rename_it, begin_answer, remove_it};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++) {
			assert_int_equal(history_tree_new(&t, s.h, &err), 0);
			store_say(t, HISTORY_USER, HISTORY_TEXT, "kept");
			/* All of it into the file itself, as after a while. */
			store_sql(&s, "PRAGMA wal_checkpoint(PASSIVE)");
			store_say(t, HISTORY_USER, HISTORY_TEXT, "kept");
			shell(cases[i].damage);
			if (calls[k]() != ERR_STORE || !strstr(err.text, cases[i].word))
				fail_msg("%s, call %zu: %d %s", cases[i].damage, k, err.code,
					 err.text);
			if (cases[i].repair) {
				shell(cases[i].repair);
				if (calls[k]() != 0)
					fail_msg("%s: %s", cases[i].repair, err.text);
				store_assert_sound(s.h);
			}
			history_tree_free(t);
			store_release(&s);
			store_init(&s);
		}
	}
}

/* Another process that empties its log into the file is no damage, however it goes. */
static void others_may_write_grow_and_shrink_the_file(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(history_tree_new(&t, s.h, &err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct history *h;

		if (history_open(&h, s.path, &err))
			_exit(1);
		for (int i = 0; i < 40; i++) {
			int64_t id = store_talk(h, "question", "thought", "answer");

			if (i % 4 == 3 && history_remove(h, id, &err) &&
			    !strstr(err.text, "another process"))
				_exit(2);
		}
		history_close(h);
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		store_say(t, HISTORY_USER, HISTORY_TEXT, "meanwhile");
		usleep(1000);
	}
	assert_int_equal(status, 0);
	history_tree_free(t);
	store_assert_sound(s.h);
}

/* -- names of copies ---------------------------------------------------------------------- */

static void copies_get_their_names_where_there_are_no_links(void **state)
{
	(void)state;
	store_talk(s.h, "q", "t", "a");
	for (int i = 0; i < 3; i++) {
		struct newfile f;
		struct history *copy;
		char name[32];
		struct stat st;
		const char *path;

		no_links = i > 0;
		no_rename_flags = i > 1;
		snprintf(name, sizeof(name), "copy%d", i);
		path = tmpdir_file(&s.dir, name);
		if (history_backup(s.h, path, &err) != 0)
			fail_msg("%d: %s", i, err.text);
		assert_int_equal(history_backup(s.h, path, &err), ERR_USAGE);
		assert_int_equal(history_open(&copy, path, &err), 0);
		history_close(copy);
		snprintf(name, sizeof(name), "export%d", i);
		path = tmpdir_file(&s.dir, name);
		assert_int_equal(newfile_open(&f, path, &err), 0);
		assert_true(fputs("x", f.to) >= 0);
		assert_int_equal(newfile_close(&f, 0, &err), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_nlink, 1);
		/* One that came meanwhile is not replaced. */
		assert_int_equal(unlink(path), 0);
		assert_int_equal(newfile_open(&f, path, &err), 0);
		assert_true(fputs("yy", f.to) >= 0);
		tmpdir_write_text(&s.dir, name, "first");
		assert_int_equal(newfile_close(&f, 0, &err), ERR_IO);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 5);
	}
	shell("! ls | grep -E '[.][A-Za-z0-9]{6}$'");
}

/* -- processes without /proc --------------------------------------------------------------- */

/* Begins an answer, journals it, tells by a byte that it did, and waits for its end. */
static pid_t answering(bool without_proc, int *to_child)
{
	int ready[2], end[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(end), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct history_run run = {.model = "m"};
		struct history_answer *a;
		static const int32_t ids[] = {1, 2};
		struct history *h;

		close(end[1]);
		no_proc = without_proc;
		if (history_open(&h, s.path, &err) || history_tree_new(&t, h, &err))
			_exit(1);
		store_say(t, HISTORY_USER, HISTORY_TEXT, "q");
		if (history_answer_begin(&a, t, &run, NULL, &err))
			_exit(1);
		history_answer_say(a, HISTORY_TEXT, STR_LIT("half"));
		history_answer_tokens(a, ids, 2);
		if (history_answer_flush(a, &err) || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(end[0], &c, 1) < 0);
	}
	close(ready[1]);
	close(end[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*to_child = end[1];
	return pid;
}

static size_t n_recovered(void)
{
	struct history_list list;
	size_t n;

	assert_int_equal(history_recover(s.h, &list, &err), 0);
	n = list.n;
	history_list_release(&list);
	return n;
}

static void an_answer_is_no_orphan_while_its_process_lives(void **state)
{
	/* Whether the one that answers, and the one that looks, have /proc. */
	static const struct {
		bool there, here;
		size_t n_after; /* found when it is gone; one of another place waits a day */
	} cases[] = {{true, true, 1}, {false, false, 1}, {true, false, 0}, {false, true, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int to_child, status;
		pid_t pid = answering(!cases[i].there, &to_child);
		size_t n;

		no_proc = !cases[i].here;
		n = n_recovered();
		if (n != 0)
			fail_msg("case %zu: taken from a living process", i);
		close(to_child);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		n = n_recovered();
		if (n != cases[i].n_after)
			fail_msg("case %zu: %zu found when it was gone", i, n);
		/* A day later nothing of such is left to wait for. */
		store_sql(&s, "UPDATE journal SET flushed_ms = flushed_ms - 90000000");
		assert_int_equal(n + n_recovered(), 1);
		no_proc = false;
		store_release(&s);
		store_init(&s);
	}
}

/* -- clocks ------------------------------------------------------------------------------- */

static void a_conversation_dated_in_the_future_is_not_the_last_for_ever(void **state)
{
	struct history_list list;
	int64_t ahead = store_talk(s.h, "ahead", "t", "a");
	int64_t second = store_talk(s.h, "second", "t", "a"), id = 0;

	(void)state;
	store_sql(&s, "UPDATE conversation SET updated_ms = updated_ms + 1000000000000"
		      " WHERE title = 'ahead'");
	assert_int_equal(history_last(s.h, &id, &err), 0);
	assert_int_equal(id, second);
	assert_int_equal(history_list(s.h, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.items[0].id, second);
	assert_int_equal(list.items[1].id, ahead);
	history_list_release(&list);
	/* Used again, it has the time of now. */
	assert_int_equal(history_tree_open(&t, s.h, ahead, &err), 0);
	store_say(t, HISTORY_USER, HISTORY_TEXT, "now");
	history_tree_free(t);
	assert_int_equal(history_last(s.h, &id, &err), 0);
	assert_int_equal(id, ahead);
	assert_int_equal(history_get(s.h, ahead, &list, &err), 0);
	assert_true(list.items[0].updated_ms <= clock_wall_ms());
	history_list_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(nothing_is_written_where_nobody_will_find_it),
		T(others_may_write_grow_and_shrink_the_file),
		T(copies_get_their_names_where_there_are_no_links),
		T(an_answer_is_no_orphan_while_its_process_lives),
		T(a_conversation_dated_in_the_future_is_not_the_last_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
