/*
 * The store on a disk that fails: every call in turn fails, in every way, and the store must
 * say so, keep what it had, and work again afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "history/history.h"
#include "tests/support/badvfs.h"
#include "tests/support/store.h"
#include "tests/support/tmpdir.h"

static int install(void **state)
{
	(void)state;
	/* Thousands of real syncs would take minutes. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	badvfs_install();
	return 0;
}

static int uninstall(void **state)
{
	(void)state;
	badvfs_uninstall();
	return 0;
}

/* -- what users do, as one scene --------------------------------------------------- */

struct scene {
	int rc; /* of the first call that failed */
	struct err err;
	int64_t id;        /* the conversation, once a call said that it is kept */
	size_t n_kept;     /* messages of its branch that calls said are kept */
	int64_t to_remove; /* said to be kept, then removed */
	bool removed;
};

static const struct history_message *say(struct history_tree *t, enum history_role role,
					 const char *text, struct scene *s)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = str_of(text)};
	struct history_message m = {.role = role, .parts = &part, .n_parts = 1};
	const struct history_message *said = NULL;

	if (!s->rc)
		s->rc = history_tree_say(t, &m, &said, &s->err);
	return said;
}

static void converse(struct history *h, struct scene *s)
{
	struct history_run run = {.model = "m", .stop = "stop"};
	struct history_answer *a = NULL;
	struct history_tree *t = NULL;
	int32_t ids[] = {1, 2, 3};

	s->rc = history_tree_new(&t, h, &s->err);
	if (say(t, HISTORY_USER, "a question", s)) {
		s->id = history_tree_conversation(t);
		s->n_kept = 1;
	}
	if (!s->rc)
		s->rc = history_answer_begin(&a, t, &run, NULL, &s->err);
	if (!s->rc) {
		history_answer_say(a, HISTORY_TEXT, STR_LIT("an answer"));
		history_answer_tokens(a, ids, 3);
		s->rc = history_answer_flush(a, &s->err);
	}
	if (!s->rc) {
		s->rc = history_answer_commit(a, &run, NULL, &s->err);
		if (!s->rc) {
			s->n_kept = 2;
			a = NULL;
		}
	}
	if (say(t, HISTORY_USER, "another question", s))
		s->n_kept = 3;
	history_answer_free(a);
	history_tree_free(t);
}

static void look_and_forget(struct history *h, struct scene *s)
{
	struct history_query q = {.text = STR_LIT("question")};
	struct history_list list = {0};
	struct history_hits hits = {0};
	struct history_tree *t = NULL;

	if (!s->rc)
		s->rc = history_set_title(h, s->id, STR_LIT("Title"), HISTORY_TITLE_USER,
					  &s->err);
	if (!s->rc)
		s->rc = history_list(h, HISTORY_ALL, 0, &list, &s->err);
	if (!s->rc)
		s->rc = history_search(h, &q, &hits, &s->err);
	if (!s->rc)
		s->rc = history_tree_new(&t, h, &s->err);
	if (say(t, HISTORY_USER, "to be removed", s))
		s->to_remove = history_tree_conversation(t);
	history_tree_free(t);
	if (!s->rc) {
		s->rc = history_remove(h, s->to_remove, &s->err);
		s->removed = !s->rc;
	}
	history_list_release(&list);
	history_hits_release(&hits);
}

static struct scene play(const char *path, long at)
{
	struct scene s = {0};
	struct history *h = NULL;

	/* While a file is opened the store waits for seconds: too long for each of these. */
	if (badvfs->kinds & BAD_BIT(BAD_LOCK))
		badvfs->countdown = -1;
	s.rc = history_open(&h, path, &s.err);
	if (badvfs->kinds & BAD_BIT(BAD_LOCK))
		badvfs->countdown = at;
	if (!s.rc) {
		history_set_wait_ms(h, 0);
		converse(h, &s);
		look_and_forget(h, &s);
	}
	history_close(h);
	return s;
}

/* -- what must hold afterwards ---------------------------------------------------------- */

static void check_after(const char *path, const struct scene *s, const char *what, long at)
{
	struct buf problems = {0};
	struct history_list recovered = {0};
	struct history_tree *t = NULL;
	struct history *h = NULL;
	struct err err = {0};
	size_t n = 0;

	if (s->rc) {
		if (s->rc != ERR_STORE || !s->err.text[0] || s->err.code != s->rc)
			fail_msg("%s, call %ld: code %d, \"%s\"", what, at, s->rc, s->err.text);
	}
	if (history_open(&h, path, &err))
		fail_msg("%s, call %ld: cannot be opened after \"%s\": %s", what, at,
			 s->err.text, err.text);
	assert_int_equal(history_recover(h, &recovered, &err), 0);
	if (history_verify(h, &problems, &n, &err) || n)
		fail_msg("%s, call %ld: %s%s", what, at, buf_z(&problems), err.text);
	if (s->id) {
		assert_int_equal(history_tree_open(&t, h, s->id, &err), 0);
		history_tree_path(t, &n);
		if (n < s->n_kept)
			fail_msg("%s, call %ld: %zu messages, %zu were said to be kept", what,
				 at, n, s->n_kept);
		history_tree_free(t);
	}
	if (s->removed) {
		struct history_list gone = {0};

		assert_int_equal(history_get(h, s->to_remove, &gone, &err), 0);
		assert_int_equal(gone.n, 0);
	}
	history_list_release(&recovered);
	history_close(h);
	buf_release(&problems);
}

static void every_call_fails_once(const char *what, unsigned kinds, int code, bool lasting)
{
	bool more = true;
	long at, n_struck = 0;

	bool slow = getenv("DSV4CHAT_SLOW") != NULL;

	/* Wider steps keep the hundreds of calls of a scene to a few seconds. */
	for (at = 0; more; at += slow || at < 20 ? 1 : 7) {
		struct tmpdir dir;
		char path[300];
		struct scene s;

		tmpdir_init(&dir);
		snprintf(path, sizeof(path), "%s/history.db", dir.path);
		badvfs_set(kinds, code, lasting, at);
		s = play(path, at);
		more = badvfs->struck;
		n_struck += more;
		badvfs->countdown = -1;
		check_after(path, &s, what, at);
		if (!more && s.rc)
			fail_msg("%s: fails without a fault: %s", what, s.err.text);
		tmpdir_release(&dir);
	}
	/* The scene must have gone through the disk at all. */
	assert_true(n_struck >= 2);
}

static void a_full_disk_is_told_and_survived(void **state)
{
	(void)state;
	every_call_fails_once("full", BAD_BIT(BAD_WRITE), SQLITE_FULL, false);
	every_call_fails_once("full for good", BAD_BIT(BAD_WRITE), SQLITE_FULL, true);
}

static void errors_of_the_disk_are_told_and_survived(void **state)
{
	(void)state;
	every_call_fails_once("write", BAD_BIT(BAD_WRITE), SQLITE_IOERR_WRITE, true);
	every_call_fails_once("read", BAD_BIT(BAD_READ), SQLITE_IOERR_READ, false);
	every_call_fails_once("sync", BAD_BIT(BAD_SYNC), SQLITE_IOERR_FSYNC, true);
	every_call_fails_once("truncate", BAD_BIT(BAD_TRUNCATE) | BAD_BIT(BAD_SYNC),
			      SQLITE_IOERR_TRUNCATE, false);
	every_call_fails_once("size", BAD_BIT(BAD_SIZE), SQLITE_IOERR_FSTAT, false);
	every_call_fails_once("index", BAD_BIT(BAD_SHM), SQLITE_IOERR_SHMSIZE, true);
}

static void locks_of_others_are_told_and_survived(void **state)
{
	(void)state;
	every_call_fails_once("busy", BAD_BIT(BAD_LOCK), SQLITE_BUSY, false);
}

static void a_file_that_cannot_be_opened_is_told_and_survived(void **state)
{
	(void)state;
	every_call_fails_once("open", BAD_BIT(BAD_OPEN), SQLITE_CANTOPEN, true);
	every_call_fails_once("read-only", BAD_BIT(BAD_WRITE) | BAD_BIT(BAD_OPEN),
			      SQLITE_READONLY, true);
}

/* -- a file of an older version ------------------------------------------------------------ */

/* Every file of the folder is one that the store means to have. */
static void check_names(const struct tmpdir *dir, const char *what, long at)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".v1.bak"};
	DIR *d = opendir(dir->path);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d))) {
		const char *rest = strstr(e->d_name, "history_v1.db");
		bool known = e->d_name[0] == '.';

		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && rest; i++)
			known |= strcmp(rest + strlen("history_v1.db"), ends[i]) == 0;
		if (!known)
			fail_msg("%s, call %ld: left behind: %s", what, at, e->d_name);
	}
	closedir(d);
}

static void check_migrated(const struct tmpdir *dir, const char *path, const char *what,
			   long at)
{
	char backup[320];
	struct history_list list;
	struct buf problems = {0};
	struct history *h;
	struct err err = {0};
	size_t n;

	check_names(dir, what, at);
	if (history_open(&h, path, &err))
		fail_msg("%s, call %ld: cannot be opened again: %s", what, at, err.text);
	if (history_verify(h, &problems, &n, &err) || n)
		fail_msg("%s, call %ld: %s%s", what, at, buf_z(&problems), err.text);
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.n, 4);
	history_list_release(&list);
	history_close(h);
	buf_release(&problems);
	snprintf(backup, sizeof(backup), "%s.v1.bak", path);
	assert_int_equal(access(backup, F_OK), 0);
	assert_int_equal(store_number(backup, "PRAGMA user_version"), 1);
	assert_int_equal(store_number(backup, "SELECT count(*) FROM conversation"), 4);
	assert_int_equal(store_number(backup, "SELECT integrity_check = 'ok'"
						     " FROM pragma_integrity_check"),
			 1);
}

static void a_migration_that_fails_anywhere_is_told_and_done_the_next_time(void **state)
{
	static const struct {
		const char *what;
		unsigned kinds;
		int code;
		bool lasting;
	} cases[] = {
		{"open", BAD_BIT(BAD_OPEN), SQLITE_CANTOPEN, true},
		{"read", BAD_BIT(BAD_READ), SQLITE_IOERR_READ, false},
		{"full", BAD_BIT(BAD_WRITE), SQLITE_FULL, true},
		{"write", BAD_BIT(BAD_WRITE), SQLITE_IOERR_WRITE, false},
		{"sync", BAD_BIT(BAD_SYNC), SQLITE_IOERR_FSYNC, true},
		{"truncate", BAD_BIT(BAD_TRUNCATE) | BAD_BIT(BAD_SIZE), SQLITE_IOERR, false},
		{"index", BAD_BIT(BAD_SHM), SQLITE_IOERR_SHMSIZE, true},
		{"delete", BAD_BIT(BAD_DELETE), SQLITE_IOERR_DELETE, true},
		{"busy", BAD_BIT(BAD_LOCK), SQLITE_BUSY, false},
	};
	bool slow = getenv("DSV4CHAT_SLOW") != NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool more = true;
		long at, n_failed = 0;

		for (at = 0; more; at += slow || at < 20 ? 1 : 7) {
			struct history *h = NULL;
			struct err err = {0};
			struct tmpdir dir;
			char path[300];
			int rc;

			tmpdir_init(&dir);
			snprintf(path, sizeof(path), "%s/history_v1.db", dir.path);
			tmpdir_copy(&dir, "tests/fixtures/history_v1.db");
			badvfs_set(cases[i].kinds, cases[i].code, cases[i].lasting, at);
			rc = history_open(&h, path, &err);
			if (rc && (rc != ERR_STORE || !err.text[0] || h))
				fail_msg("%s, call %ld: code %d, \"%s\"", cases[i].what, at, rc,
					 err.text);
			history_close(h);
			more = badvfs->struck;
			badvfs->countdown = -1;
			n_failed += rc != 0;
			if (rc && cases[i].code == SQLITE_BUSY)
				fail_msg("a lock that is free the next moment, call %ld: %s",
					 at, err.text);
			if (!more && rc)
				fail_msg("%s: fails without a fault: %s", cases[i].what,
					 err.text);
			check_migrated(&dir, path, cases[i].what, at);
			tmpdir_release(&dir);
		}
		/* Whatever lasts must have been noticed. */
		if (cases[i].lasting && n_failed == 0)
			fail_msg("%s: none of %ld failed", cases[i].what, at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_disk_is_told_and_survived),
		cmocka_unit_test(errors_of_the_disk_are_told_and_survived),
		cmocka_unit_test(locks_of_others_are_told_and_survived),
		cmocka_unit_test(a_file_that_cannot_be_opened_is_told_and_survived),
		cmocka_unit_test(
			a_migration_that_fails_anywhere_is_told_and_done_the_next_time),
	};

	return cmocka_run_group_tests(tests, install, uninstall);
}
