/*
 * The store on a disk that fails: a VFS of the test's own lets every call in turn fail, in
 * every way, and the store must say so, keep what it had, and work again afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "history/history.h"
#include "tests/support/tmpdir.h"

/* -- the failing VFS ---------------------------------------------------------- */

enum call { CALL_OPEN, CALL_READ, CALL_WRITE, CALL_TRUNCATE, CALL_SYNC, CALL_LOCK, N_CALLS };

static struct {
	long countdown; /* the call at which it fails; < 0: none does */
	long calls;     /* of the kinds below, since it was set */
	unsigned kinds; /* bits of enum call that may fail */
	int code;
	bool lasting; /* every later call fails as well */
	bool struck;
} fault;

static int strike(enum call kind)
{
	if (!(fault.kinds & 1u << kind))
		return SQLITE_OK;
	fault.calls++;
	if (fault.countdown < 0 || fault.countdown-- > 0)
		return SQLITE_OK;
	fault.struck = true;
	if (fault.lasting)
		fault.countdown = 0;
	return fault.code;
}

struct shim {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct shim *)f)->real;
}

#define REAL(f) (real_of(f)->pMethods)

static int shim_close(sqlite3_file *f)
{
	return REAL(f)->xClose(real_of(f));
}

static int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	int rc = strike(CALL_READ);

	return rc ? rc : REAL(f)->xRead(real_of(f), p, n, at);
}

static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int rc = strike(CALL_WRITE);

	/* A disk that is full takes a part of it. */
	if (rc && n > 1)
		REAL(f)->xWrite(real_of(f), p, n / 2, at);
	return rc ? rc : REAL(f)->xWrite(real_of(f), p, n, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = strike(CALL_TRUNCATE);

	return rc ? rc : REAL(f)->xTruncate(real_of(f), size);
}

static int shim_sync(sqlite3_file *f, int flags)
{
	int rc = strike(CALL_SYNC);

	return rc ? rc : REAL(f)->xSync(real_of(f), flags);
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return REAL(f)->xFileSize(real_of(f), size);
}

static int shim_lock(sqlite3_file *f, int level)
{
	int rc = strike(CALL_LOCK);

	return rc ? rc : REAL(f)->xLock(real_of(f), level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
	return REAL(f)->xUnlock(real_of(f), level);
}

static int shim_reserved(sqlite3_file *f, int *out)
{
	return REAL(f)->xCheckReservedLock(real_of(f), out);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
	return REAL(f)->xFileControl(real_of(f), op, arg);
}

static int shim_sector(sqlite3_file *f)
{
	return REAL(f)->xSectorSize(real_of(f));
}

static int shim_traits(sqlite3_file *f)
{
	return REAL(f)->xDeviceCharacteristics(real_of(f));
}

static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return REAL(f)->xShmMap(real_of(f), page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	int rc = flags & SQLITE_SHM_LOCK ? strike(CALL_LOCK) : SQLITE_OK;

	return rc ? rc : REAL(f)->xShmLock(real_of(f), at, n, flags);
}

static void shim_shm_barrier(sqlite3_file *f)
{
	REAL(f)->xShmBarrier(real_of(f));
}

static int shim_shm_unmap(sqlite3_file *f, int drop)
{
	return REAL(f)->xShmUnmap(real_of(f), drop);
}

static const sqlite3_io_methods shim_methods = {
	.iVersion = 2,
	.xClose = shim_close,
	.xRead = shim_read,
	.xWrite = shim_write,
	.xTruncate = shim_truncate,
	.xSync = shim_sync,
	.xFileSize = shim_size,
	.xLock = shim_lock,
	.xUnlock = shim_unlock,
	.xCheckReservedLock = shim_reserved,
	.xFileControl = shim_control,
	.xSectorSize = shim_sector,
	.xDeviceCharacteristics = shim_traits,
	.xShmMap = shim_shm_map,
	.xShmLock = shim_shm_lock,
	.xShmBarrier = shim_shm_barrier,
	.xShmUnmap = shim_shm_unmap,
};

static sqlite3_vfs *disk;
static sqlite3_vfs failing;

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct shim *s = (struct shim *)f;
	int rc = strike(CALL_OPEN);

	(void)vfs;
	s->base.pMethods = NULL;
	if (rc)
		return rc;
	s->real = (sqlite3_file *)(s + 1);
	rc = disk->xOpen(disk, name, s->real, flags, out);
	if (rc == SQLITE_OK)
		s->base.pMethods = &shim_methods;
	return rc;
}

static int install(void **state)
{
	(void)state;
	/* Thousands of real syncs would take minutes. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	disk = sqlite3_vfs_find(NULL);
	failing = *disk;
	failing.zName = "failing";
	failing.szOsFile = (int)sizeof(struct shim) + disk->szOsFile;
	failing.xOpen = shim_open;
	return sqlite3_vfs_register(&failing, 1);
}

static int uninstall(void **state)
{
	(void)state;
	return sqlite3_vfs_unregister(&failing);
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
	if (fault.kinds & 1u << CALL_LOCK)
		fault.countdown = -1;
	s.rc = history_open(&h, path, &s.err);
	if (fault.kinds & 1u << CALL_LOCK)
		fault.countdown = at;
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
		fault.calls = 0;
		fault.countdown = at;
		fault.kinds = kinds;
		fault.code = code;
		fault.lasting = lasting;
		fault.struck = false;
		s = play(path, at);
		more = fault.struck;
		n_struck += more;
		fault.countdown = -1;
		check_after(path, &s, what, at);
		if (!more && s.rc)
			fail_msg("%s: fails without a fault: %s", what, s.err.text);
		tmpdir_release(&dir);
	}
	/* The scene must have gone through the disk at all. */
	assert_true(n_struck >= 2);
}

#define BIT(c) (1u << (c))

static void a_full_disk_is_told_and_survived(void **state)
{
	(void)state;
	every_call_fails_once("full", BIT(CALL_WRITE), SQLITE_FULL, false);
	every_call_fails_once("full for good", BIT(CALL_WRITE), SQLITE_FULL, true);
}

static void errors_of_the_disk_are_told_and_survived(void **state)
{
	(void)state;
	every_call_fails_once("write", BIT(CALL_WRITE), SQLITE_IOERR_WRITE, true);
	every_call_fails_once("read", BIT(CALL_READ), SQLITE_IOERR_READ, false);
	every_call_fails_once("sync", BIT(CALL_SYNC), SQLITE_IOERR_FSYNC, true);
	every_call_fails_once("truncate", BIT(CALL_TRUNCATE) | BIT(CALL_SYNC),
			      SQLITE_IOERR_TRUNCATE, false);
}

static void locks_of_others_are_told_and_survived(void **state)
{
	(void)state;
	every_call_fails_once("busy", BIT(CALL_LOCK), SQLITE_BUSY, false);
}

static void a_file_that_cannot_be_opened_is_told_and_survived(void **state)
{
	(void)state;
	every_call_fails_once("open", BIT(CALL_OPEN), SQLITE_CANTOPEN, true);
	every_call_fails_once("read-only", BIT(CALL_WRITE) | BIT(CALL_OPEN), SQLITE_READONLY,
			      true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_disk_is_told_and_survived),
		cmocka_unit_test(errors_of_the_disk_are_told_and_survived),
		cmocka_unit_test(locks_of_others_are_told_and_survived),
		cmocka_unit_test(a_file_that_cannot_be_opened_is_told_and_survived),
	};

	return cmocka_run_group_tests(tests, install, uninstall);
}
