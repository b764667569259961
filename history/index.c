/* Bringing the full-text indexes up to what was said, and making them anew. */
#include "history/index.h"

#include "history/chore.h"

/*
 * Each 'optimize' of FTS5 puts what there is into a level of its own behind the others, and
 * a structure of more than 2000 levels is refused as damaged, for good.
 */
#define LEVELS_MAX 1000

/* For another process, after something was said: the next one who comes by catches up. */
#define FOLLOW_WAIT_MS 20

/* One row for each scope: the statements that differ in nothing but a table's name. */
struct index {
	const char *name, *add, *drop, *touch, *optimize, *check, *structure, *unmake;
};

#define INDEX(t)                                                                               \
	{                                                                                      \
		t,                                                                             \
			"INSERT INTO " t " (rowid, text) SELECT id, text FROM " t "_text"      \
			" WHERE id > ? ORDER BY id",                                           \
			"INSERT INTO " t " (" t ", rowid, text) SELECT 'delete', v.id, v.text" \
			" FROM part p JOIN " t "_text v ON v.id = p.id"                        \
			" WHERE p.message_id = ? AND p.id <= (SELECT part_id FROM indexed)",   \
			"DELETE FROM " t " WHERE 0",                                           \
			"INSERT INTO " t " (" t ") VALUES ('optimize')",                       \
			"INSERT INTO " t " (" t ", rank) VALUES ('integrity-check', 1)",       \
			"SELECT block FROM " t "_data WHERE id = 10",                          \
			"DELETE FROM sqlite_schema WHERE tbl_name IN ('" t "', '" t            \
			"_data', '" t "_idx', '" t "_docsize', '" t "_config')",               \
	}

static const struct index indexes[] = {INDEX("said"), INDEX("thinking"), INDEX("tools")};
#define N_INDEXES (sizeof(indexes) / sizeof(indexes[0]))

/* As the second step of the schema makes them. */
static const char make[] =
	"CREATE VIRTUAL TABLE said USING fts5 (\n"
	"\ttext, content = 'said_text', content_rowid = 'id', tokenize = 'dsv4chat',"
	" prefix = '1 2 3'\n);\n"
	"CREATE VIRTUAL TABLE thinking USING fts5 (\n"
	"\ttext, content = 'thinking_text', content_rowid = 'id', tokenize = 'dsv4chat',\n"
	"\tprefix = '1 2 3'\n);\n"
	"CREATE VIRTUAL TABLE tools USING fts5 (\n"
	"\ttext, content = 'tools_text', content_rowid = 'id', tokenize = 'dsv4chat',"
	" prefix = '1 2 3'\n);\n"
	"INSERT INTO said (said) VALUES ('rebuild');\n"
	"INSERT INTO thinking (thinking) VALUES ('rebuild');\n"
	"INSERT INTO tools (tools) VALUES ('rebuild');\n"
	"DELETE FROM indexed;\n"
	"INSERT INTO indexed SELECT coalesce(max(id), 0) FROM part;\n";

int index_write_part(struct history *h, int64_t message, int64_t seq, const char *kind,
		     const struct history_part *p, struct err *err)
{
	h->wrote_parts = true;
	return sql_run(h, err,
		       "INSERT INTO part (message_id, seq, kind, name, ref, text, info)"
		       " VALUES (?, ?, ?, ?, ?, ?, ?)",
		       "iizssss", message, seq, kind, p->name, p->ref, p->text, p->info);
}

bool index_is_damage(const struct history *h)
{
	/*
	 * SQLITE_ERROR: "vtable constructor failed", "no such table".  SQLITE_CONSTRAINT: FTS5
	 * adds what its tables have, because it does not know that they do.
	 */
	return h->failed_code == SQLITE_CORRUPT || h->failed_code == SQLITE_ERROR ||
	       h->failed_code == SQLITE_CONSTRAINT;
}

/* -- as things are said and removed ---------------------------------------------- */

/* How far the indexes have come, and how far they could; -1: they don't know. */
static int read_extent(struct history *h, int64_t *upto, int64_t *last, struct err *err)
{
	int rc = sql_int(h, upto, -1, err, "SELECT part_id FROM indexed", "");

	return rc ? rc : sql_int(h, last, 0, err, "SELECT coalesce(max(id), 0) FROM part", "");
}

static int add_rest(struct history *h, struct err *err)
{
	int64_t upto = -1, last = 0;
	int rc = read_extent(h, &upto, &last, err);

	if (rc || upto < 0 || last <= upto)
		return rc;
	for (size_t i = 0; i < N_INDEXES && !rc; i++)
		rc = sql_run(h, err, indexes[i].add, "i", upto);
	return rc ? rc : sql_run(h, err, "UPDATE indexed SET part_id = ?", "i", last);
}

/*
 * Where SQLite undid a transaction by itself, in the middle of FTS5's work, FTS5 went on with
 * counts that it had from then, and would write them with what comes next: a transaction that
 * is begun and undone lets it forget.
 */
static int forget_undone(struct history *h, struct err *err)
{
	int rc = h->undone ? sql_begin(h, err) : 0;

	if (rc || !h->undone)
		return rc;
	for (size_t i = 0; i < N_INDEXES && !rc; i++)
		rc = sql_run(h, err, indexes[i].touch, "");
	if (!rc)
		h->undone = false;
	sql_undo(h);
	return rc;
}

int index_begin(struct history *h, struct err *err)
{
	int rc = forget_undone(h, err);

	return rc ? rc : sql_begin(h, err);
}

/*
 * Runs inside a transaction of its own, because FTS5's failures can end the whole one.
 * Damage is noted and no failure.
 */
static int guarded(struct history *h, int (*work)(struct history *h, struct err *err),
		   struct err *err)
{
	struct err why = {0};
	int rc;

	h->failed_code = 0;
	rc = index_begin(h, &why);
	if (!rc)
		rc = sql_end(h, work(h, &why), &why);
	if (rc == ERR_STORE && index_is_damage(h))
		return chore_note(h, CHORE_INDEX, err);
	return rc ? err_set(err, rc, "%s", why.text) : 0;
}

int index_catch_up(struct history *h, struct err *err)
{
	int64_t upto = -1, last = 0;
	bool pending = false;
	int rc = chore_pending(h, CHORE_INDEX, &pending, err);

	if (!rc && !pending)
		rc = read_extent(h, &upto, &last, err);
	if (rc || pending || last <= upto)
		return rc;
	return guarded(h, add_rest, err);
}

void index_follow(struct history *h)
{
	int wait_ms = h->wait_ms;
	struct err ignored;

	if (!h->wrote_parts)
		return;
	h->wrote_parts = false;
	history_set_wait_ms(h, wait_ms < FOLLOW_WAIT_MS ? wait_ms : FOLLOW_WAIT_MS);
	index_catch_up(h, &ignored);
	history_set_wait_ms(h, wait_ms);
}

int index_forget(struct history *h, int64_t message, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < N_INDEXES && !rc; i++)
		rc = sql_run(h, err, indexes[i].drop, "i", message);
	return rc;
}

/* -- from outside --------------------------------------------------------------- */

/*
 * The levels of an FTS5 structure record: four bytes, then a number of seven bits a byte,
 * high bits first.  -1 where it is none.
 */
static int64_t levels_of(struct str record)
{
	int64_t n = 0;

	/* A form of newer versions of SQLite: whoever searches learns whether it is sound. */
	if (record.n > 4 && (unsigned char)record.p[4] == 0xff)
		return 0;
	for (size_t i = 4; i < record.n && i < 8; i++) {
		n = n << 7 | (record.p[i] & 0x7f);
		if (!(record.p[i] & 0x80))
			return n;
	}
	return -1;
}

static int looks_bad(struct history *h, const struct index *x, bool *bad, struct err *err)
{
	struct err why = {0};
	sqlite3_stmt *st = sql_get(h, &why, x->structure, "");
	int rc = st ? sql_row(h, st, &why) : why.code;
	int64_t n = rc > 0 ? levels_of(sql_str(st, 0)) : -1;

	if (rc > 0)
		sql_done(st);
	if (rc < 0 && !index_is_damage(h)) {
		err_set(err, why.code, "%s", why.text);
		return rc;
	}
	*bad |= n < 0 || n > LEVELS_MAX;
	return 0;
}

/* Have they to be made anew, by a chore or by what they look like from outside? */
static int is_bad(struct history *h, bool *bad, struct err *err)
{
	int64_t upto = -1, last = 0;
	int rc = chore_pending(h, CHORE_INDEX, bad, err);

	if (!rc)
		rc = read_extent(h, &upto, &last, err);
	*bad |= upto < 0;
	for (size_t i = 0; i < N_INDEXES && !rc; i++)
		rc = looks_bad(h, &indexes[i], bad, err);
	return rc;
}

static int optimize(struct history *h, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < N_INDEXES && !rc; i++)
		rc = sql_run(h, err, indexes[i].optimize, "");
	return rc;
}

int index_optimize(struct history *h, struct err *err)
{
	bool bad = false;
	int rc = is_bad(h, &bad, err);

	if (rc)
		return rc;
	return bad ? chore_note(h, CHORE_INDEX, err) : guarded(h, optimize, err);
}

static void forget_schema(struct history *h)
{
	sqlite3_exec(h->db, "PRAGMA writable_schema = ON; PRAGMA writable_schema = RESET", NULL,
		     NULL, NULL);
}

/*
 * The old ones leave the schema unread: their pages, whatever they hold, belong to nothing
 * then, until the file is written anew.
 */
static int make_anew(struct history *h, struct err *err)
{
	int rc = sql_exec(h, err, "PRAGMA writable_schema = ON");

	for (size_t i = 0; i < N_INDEXES && !rc; i++)
		rc = sql_run(h, err, indexes[i].unmake, "");
	forget_schema(h);
	if (!rc)
		rc = sql_exec(h, err, make);
	if (!rc)
		rc = chore_note(h, CHORE_VACUUM, err);
	return rc ? rc : chore_done(h, CHORE_INDEX, err);
}

int index_mend(struct history *h, struct err *err)
{
	bool bad = false, vacuum = false;
	int rc = is_bad(h, &bad, err);

	if (!rc && bad)
		rc = sql_begin(h, err);
	if (!rc && bad) {
		rc = sql_end(h, make_anew(h, err), err);
		/* What was undone is not what the connection remembers of the schema. */
		if (rc)
			forget_schema(h);
	}
	if (!rc)
		rc = chore_pending(h, CHORE_VACUUM, &vacuum, err);
	if (!rc && vacuum)
		rc = sql_exec(h, err, "VACUUM");
	if (!rc && vacuum)
		rc = chore_done(h, CHORE_VACUUM, err);
	return rc;
}

int index_check(struct history *h, struct buf *problems, size_t *n, struct err *err)
{
	int64_t upto = -1, last = 0;
	bool behind = false;
	int rc = chore_pending(h, CHORE_INDEX, &behind, err);

	if (!rc)
		rc = read_extent(h, &upto, &last, err);
	behind |= last > upto;
	for (size_t i = 0; i < N_INDEXES && !rc; i++) {
		struct err why = {0};

		rc = sql_run(h, &why, indexes[i].check, "");
		if (rc && !index_is_damage(h))
			return err_set(err, why.code, "%s", why.text);
		if (rc) {
			buf_addf(problems, "search: %s: %s\n", indexes[i].name, why.text);
			(*n)++;
		}
		rc = 0;
	}
	if (!rc && behind) {
		buf_addz(problems, "search: it does not know of everything said\n");
		(*n)++;
	}
	return rc;
}
