/* Transactions: one at a time on a handle, and what goes with every one that writes. */
#include "engine/base/clock.h"
#include "history/index.h"
#include "history/place.h"
#include "history/store.h"

/* The last question of a statement comes when it is done, and would make a failure of that. */
static int step_to_the_end(struct history *h, sqlite3_stmt *st)
{
	int rc;

	h->settling = true;
	rc = sqlite3_step(st);
	h->settling = false;
	return rc;
}

/*
 * SQLite's own busy handler covers most waits; where it is not called (a lock that
 * waiting inside the call could never get) the whole statement is tried again here.
 */
static int begin(struct history *h, const char *sql, const char *what, struct err *err)
{
	int64_t until = clock_ms() + h->wait_ms;
	sqlite3_stmt *st = sql_get(h, err, sql, "");

	h->was_busy = false;
	if (!st)
		return err->code;
	for (;;) {
		int rc = step_to_the_end(h, st);

		if (rc == SQLITE_DONE) {
			sql_done(st);
			return 0;
		}
		if (!sql_is_busy(h) || !watch_wait_till(h, until)) {
			h->was_busy = sql_is_busy(h);
			rc = sql_fail(h, what, err);
			sql_done(st);
			return rc;
		}
		sqlite3_reset(st);
	}
}

int sql_begin(struct history *h, struct err *err)
{
	return begin(h, "BEGIN IMMEDIATE", "cannot write the history", err);
}

int sql_begin_read(struct history *h, struct err *err)
{
	return begin(h, "BEGIN", "cannot read the history", err);
}

int sql_end(struct history *h, int rc, struct err *err)
{
	if (rc >= 0) {
		int failed = 0;

		if (sqlite3_txn_state(h->db, "main") == SQLITE_TXN_WRITE)
			failed = place_check(h, err);
		if (!failed)
			failed = begin(h, "COMMIT", "cannot write the history", err);
		if (!failed) {
			place_note(h);
			index_follow(h);
			return rc;
		}
		rc = failed;
	}
	sql_undo(h);
	return rc;
}

static void sync_less(struct history *h)
{
	struct err ignored;

	/* Where it cannot be said, commits are slower, and no less safe. */
	sql_exec(h, &ignored, "PRAGMA synchronous = NORMAL");
}

int sql_begin_full(struct history *h, struct err *err)
{
	int rc = sql_exec(h, err, "PRAGMA synchronous = FULL");

	if (!rc)
		rc = sql_begin(h, err);
	if (rc)
		sync_less(h);
	return rc;
}

int sql_end_full(struct history *h, int rc, struct err *err)
{
	rc = sql_end(h, rc, err);
	sync_less(h);
	return rc;
}

void sql_undo(struct history *h)
{
	h->wrote_parts = false;
	h->stopped = false;
	/* A full disk, an I/O error or no memory may have undone the transaction already. */
	if (sqlite3_get_autocommit(h->db))
		h->undone = true;
	else
		sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
}
