/*
 * Inside the store: the open file, statements, transactions.
 *
 * Statements are prepared once and found again by the address of their SQL, which
 * is always a string literal; values are bound, never written into it.
 */
#ifndef HISTORY_STORE_H
#define HISTORY_STORE_H

#include <sqlite3.h>
#include <stdarg.h>
#include <sys/types.h>

#include "history/history.h"

#define HISTORY_APPLICATION_ID 0x64763463 /* "dv4c" */

struct cached_stmt {
	const char *sql;
	sqlite3_stmt *stmt;
};

struct history {
	sqlite3 *db;
	struct disk *disk; /* what the file is reached through, see disk.h */
	char *path;        /* "" in memory */
	char owner[192];   /* who writes journals through this handle, see owner.h */
	char machine[33];   /* where files that were edited are, see owner.h */
	int wait_ms;
	int64_t busy_until; /* of clock_ms(): the end of SQLite's present wait for a lock */
	history_pulse_fn *pulse;
	void *pulse_ctx;
	int64_t pulsed_at;    /* of clock_ms() */
	int64_t search_until; /* of clock_ms(); 0 = no bound */
	bool timed_out;       /* it was reached */
	bool stopped;         /* the present statement is given up */
	bool measuring;       /* the file's size is asked for, whatever was given up */
	bool settling;        /* a statement ends that SQLite would call given up when done */
	bool copying;         /* the log, into the file */
	bool opens_copy;      /* what is opened now is a backup that is being made */
	bool was_busy;        /* the last transaction failed for another process's lock */
	int failed_code;      /* SQLite's, of what sql_fail() told last */
	bool wrote_parts;     /* in this transaction */
	bool undone;          /* SQLite undid a transaction by itself: see index_begin() */
	int64_t whole_bytes;  /* of the file, when it was last seen whole; 0 = not yet */
	bool has_log;         /* the file is in WAL mode */
	bool log_known;       /* and its log was, first seen, this file: */
	dev_t log_device;
	ino_t log_inode;
	struct cached_stmt *stmts;
	size_t n_stmts, cap_stmts;
};

/* Sets *err from the connection's last error: "PATH: WHAT: why (what to do)". */
int sql_fail(struct history *h, const char *what, struct err *err);

/*
 * The statement, reset and with its values bound, or NULL with *err set.  `types` names
 * the arguments: i int64_t, d double, z const char *, s struct str (bound as text),
 * b const void * and size_t (a blob; NULL pointer = NULL), o int64_t (0 = NULL).
 * Values stay borrowed until sql_done().
 */
sqlite3_stmt *sql_get(struct history *h, struct err *err, const char *sql, const char *types,
		      ...);
/* 1: a row; 0: the end; negative: failed.  After 0 or less the statement is reset. */
int sql_row(struct history *h, sqlite3_stmt *st, struct err *err);
void sql_done(sqlite3_stmt *st); /* reset and unbound; NULL is fine */

/* Runs a statement that gives no rows. */
int sql_run(struct history *h, struct err *err, const char *sql, const char *types, ...);
/* The first column of the first row, or `none` where there is no row. */
int sql_int(struct history *h, int64_t *value, int64_t none, struct err *err, const char *sql,
	    const char *types, ...);
/* Several statements without values: a schema step, a pragma. */
int sql_exec(struct history *h, struct err *err, const char *sql);

/* Borrowed until the statement's next step. */
struct str sql_str(sqlite3_stmt *st, int column);

/*
 * A write transaction.  sql_begin() waits for other writers as long as the handle says.
 * sql_end() commits where rc >= 0, else undoes; it returns rc or the commit's failure.
 */
int sql_begin(struct history *h, struct err *err);
int sql_end(struct history *h, int rc, struct err *err);
/* The same, on the disk when it returns, whatever befalls the machine then. */
int sql_begin_full(struct history *h, struct err *err);
int sql_end_full(struct history *h, int rc, struct err *err);
/* Undoes it, where SQLite has not done so by itself. */
void sql_undo(struct history *h);

/* A read that sees one state of the file over several statements; ended by sql_end(). */
int sql_begin_read(struct history *h, struct err *err);

/* The last call on the connection failed for another process's lock. */
bool sql_is_busy(struct history *h);

/*
 * For what SQLite does not wait for by itself, or only now and then: true after a short sleep
 * while `until` (of clock_ms()) is to come and nobody gave up, so that it may be tried again.
 */
bool watch_wait_till(struct history *h, int64_t until);

/* Asked every now and then by whatever takes long: whether it is to be given up. */
bool store_stops(struct history *h);
/*
 * The log's copying into the file has no steps of SQLite's machine, and ends by an interrupt
 * only.  Nothing else does: FTS5 leaves statements open that keep an interrupt pending, so that
 * not even the ROLLBACK behind it would run.
 */
void watch_end_copy(struct history *h);
/* Has SQLite ask, while it works and while it waits. */
void store_watch(struct history *h);

/* Token ids as the file has them: int32, little endian. */
int32_t sql_get_le32(const char *p);
void sql_add_le32(struct buf *out, const int32_t *ids, size_t n);

#endif
