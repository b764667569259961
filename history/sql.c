/* Statements: prepared once, bound, stepped; the words for what SQLite refuses. */
#include "history/place.h"
#include "history/store.h"

#include <stdlib.h>
#include <string.h>

int32_t sql_get_le32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (int32_t)((uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
			 (uint32_t)b[3] << 24);
}

void sql_add_le32(struct buf *out, const int32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t v = (uint32_t)ids[i];
		char b[4] = {(char)(v & 255), (char)(v >> 8 & 255), (char)(v >> 16 & 255),
			     (char)(v >> 24)};

		buf_add(out, b, sizeof(b));
	}
}

struct advice {
	int code; /* primary result code */
	const char *text;
};

static const struct advice advices[] = {
	{SQLITE_BUSY, "another process is writing; try again"},
	{SQLITE_LOCKED, "another process is writing; try again"},
	{SQLITE_FULL, "free some space, then try again"},
	{SQLITE_IOERR, "the disk failed, or the file may not grow further"},
	{SQLITE_READONLY, "the file or its folder may not be written"},
	{SQLITE_PERM, "the file or its folder may not be written"},
	{SQLITE_CANTOPEN, "the file or its folder may not be written"},
	{SQLITE_CORRUPT, "dsv4chat history verify says more"},
	{SQLITE_CONSTRAINT, "it was removed from the history meanwhile"},
	{SQLITE_NOTADB, "it is no history, or damaged"},
};

int sql_fail(struct history *h, const char *what, struct err *err)
{
	int code = sqlite3_errcode(h->db) & 0xff;
	const char *path = *h->path ? h->path : "history in memory";

	h->failed_code = code;
	if (code == SQLITE_INTERRUPT ||
	    (h->stopped &&
	     (code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_IOERR)))
		return err_set(err, ERR_CANCELLED, "%s: %s: given up", path, what);
	if (code == SQLITE_NOMEM)
		return err_set(err, ERR_NOMEM, "%s: %s: out of memory", path, what);
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		if (advices[i].code == code)
			return err_set(err, ERR_STORE, "%s: %s: %s (%s)", path, what,
				       sqlite3_errmsg(h->db), advices[i].text);
	}
	/* "disk I/O error" alone says little; the system knows which. */
	if (code == SQLITE_IOERR && sqlite3_system_errno(h->db))
		return err_set(err, ERR_STORE, "%s: %s: %s: %s", path, what,
			       sqlite3_errmsg(h->db), strerror(sqlite3_system_errno(h->db)));
	return err_set(err, ERR_STORE, "%s: %s: %s", path, what, sqlite3_errmsg(h->db));
}

bool sql_is_busy(struct history *h)
{
	int code = sqlite3_errcode(h->db) & 0xff;

	return code == SQLITE_BUSY || code == SQLITE_LOCKED;
}

static sqlite3_stmt *find_or_prepare(struct history *h, struct err *err, const char *sql)
{
	sqlite3_stmt *st;

	for (size_t i = 0; i < h->n_stmts; i++) {
		if (h->stmts[i].sql == sql)
			return h->stmts[i].stmt;
	}
	if (h->n_stmts == h->cap_stmts) {
		size_t cap = h->cap_stmts ? h->cap_stmts * 2 : 32;
		struct cached_stmt *grown = realloc(h->stmts, cap * sizeof(*grown));

		if (!grown) {
			err_nomem(err, "statements", cap * sizeof(*grown));
			return NULL;
		}
		h->stmts = grown;
		h->cap_stmts = cap;
	}
	if (sqlite3_prepare_v3(h->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) !=
	    SQLITE_OK) {
		sql_fail(h, "cannot read the history", err);
		return NULL;
	}
	h->stmts[h->n_stmts++] = (struct cached_stmt){sql, st};
	return st;
}

static int bind_one(sqlite3_stmt *st, int at, char type, va_list *ap)
{
	int64_t i;
	struct str s;
	const void *p;
	const char *z;
	size_t n;

	switch (type) {
	case 'i':
		return sqlite3_bind_int64(st, at, va_arg(*ap, int64_t));
	case 'o':
		i = va_arg(*ap, int64_t);
		return i ? sqlite3_bind_int64(st, at, i) : sqlite3_bind_null(st, at);
	case 'd':
		return sqlite3_bind_double(st, at, va_arg(*ap, double));
	case 'z':
		z = va_arg(*ap, const char *);
		return sqlite3_bind_text(st, at, z ? z : "", -1, SQLITE_STATIC);
	case 's':
		s = va_arg(*ap, struct str);
		return sqlite3_bind_text64(st, at, s.n ? s.p : "", s.n, SQLITE_STATIC,
					   SQLITE_UTF8);
	case 'b':
		p = va_arg(*ap, const void *);
		n = va_arg(*ap, size_t);
		return p ? sqlite3_bind_blob64(st, at, p, n, SQLITE_STATIC)
			 : sqlite3_bind_null(st, at);
	default:
		BUG("unknown type of a bound value");
	}
}

static sqlite3_stmt *vget(struct history *h, struct err *err, const char *sql,
			  const char *types, va_list ap)
{
	sqlite3_stmt *st;
	va_list values;
	int rc = SQLITE_OK;

	h->stopped = false;
	st = find_or_prepare(h, err, sql);
	if (!st)
		return NULL;
	/* Reset repeats the last step's failure, which was reported then. */
	sqlite3_reset(st);
	va_copy(values, ap);
	for (int i = 0; types[i] && rc == SQLITE_OK; i++)
		rc = bind_one(st, i + 1, types[i], &values);
	va_end(values);
	if (rc != SQLITE_OK) {
		sql_fail(h, "cannot hand over a value", err);
		sql_done(st);
		return NULL;
	}
	return st;
}

sqlite3_stmt *sql_get(struct history *h, struct err *err, const char *sql, const char *types,
		      ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, types);
	st = vget(h, err, sql, types, ap);
	va_end(ap);
	return st;
}

void sql_done(sqlite3_stmt *st)
{
	if (!st)
		return;
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
}

int sql_row(struct history *h, sqlite3_stmt *st, struct err *err)
{
	int rc = sqlite3_step(st);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		rc = 0;
	else
		rc = sql_fail(h,
			      sqlite3_stmt_readonly(st) ? "cannot read the history"
							: "cannot write the history",
			      err);
	sql_done(st);
	return rc;
}

int sql_run(struct history *h, struct err *err, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st;
	bool alone;
	va_list ap;
	int rc;

	va_start(ap, types);
	st = vget(h, err, sql, types, ap);
	va_end(ap);
	if (!st)
		return err->code;
	/* A transaction by itself: where it is done, it is not given up any more. */
	alone = sqlite3_get_autocommit(h->db) && !sqlite3_stmt_readonly(st);
	if (alone) {
		rc = place_check(h, err);
		if (rc) {
			sql_done(st);
			return rc;
		}
	}
	h->settling = alone;
	do {
		rc = sql_row(h, st, err);
	} while (rc > 0);
	h->settling = false;
	return rc;
}

int sql_int(struct history *h, int64_t *value, int64_t none, struct err *err, const char *sql,
	    const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	va_start(ap, types);
	st = vget(h, err, sql, types, ap);
	va_end(ap);
	if (!st)
		return err->code;
	rc = sql_row(h, st, err);
	if (rc < 0)
		return rc;
	*value = rc ? sqlite3_column_int64(st, 0) : none;
	sql_done(st);
	return 0;
}

int sql_exec(struct history *h, struct err *err, const char *sql)
{
	h->stopped = false;
	if (sqlite3_exec(h->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sql_fail(h, "cannot change the history", err);
	return 0;
}

struct str sql_str(sqlite3_stmt *st, int column)
{
	/* The blob, not the text: the bytes as stored, whatever they are. */
	const void *p = sqlite3_column_blob(st, column);
	int n = sqlite3_column_bytes(st, column);

	return p && n > 0 ? (struct str){p, (size_t)n} : (struct str){"", 0};
}
